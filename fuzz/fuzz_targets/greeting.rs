//! The lines of a stranger, up to the end of the opening: the same in any pieces, never too much consumed, and errors that
//! can be shown.
#![no_main]

use std::sync::Arc;

use aemp_proto::handshake::{
    AuthMethod, AwaitGreeting, Awaiting, Greeted, HandshakeError, Nonce, Opening, Progress, Role,
    Secret, Settings, Tls,
};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "a secret of 27 bytes, maybe";

fuzz_target!(|data: &[u8]| {
    let Some((&setting, lines)) = data.split_first() else {
        return;
    };
    let (text, used) = outcome(setting, lines, lines.len());
    let size = usize::from(setting >> 3);
    let (pieces, _) = outcome(setting, lines, size);
    assert_eq!(text, pieces, "in pieces of {size} bytes");
    assert!(!text.contains(SECRET) && text.len() < 5000, "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
    let ends = lines[..used].iter().filter(|&&byte| byte == b'\n').count();
    assert!(ends <= 3, "{ends} lines are consumed");
});

/// The result of an opening with `lines` in pieces of `size` bytes, as text, and the number of consumed bytes.
fn outcome(setting: u8, lines: &[u8], size: usize) -> (String, usize) {
    let mut input = Input {
        rest: lines,
        buffer: Vec::new(),
        size: size.max(1),
        used: 0,
    };
    let text = match opening(&mut input, start(setting)) {
        Ok(text) => text,
        Err(error) => format!("{error}"),
    };
    (text, input.used)
}

fn start(setting: u8) -> AwaitGreeting {
    let mut settings = Settings::new("node".parse().expect("an ID"));
    settings.secret = Some(Secret::from_text(SECRET, 16).expect("a secret"));
    settings.framings = ["cbor", "json"].map(Into::into).to_vec();
    settings.auth_accept = vec![AuthMethod::HmacSha3_512, AuthMethod::Cleartext];
    settings.tls = if setting & 1 == 0 {
        Tls::Off
    } else {
        Tls::Fallback
    };
    let role = if setting & 2 == 0 {
        Role::Acceptor
    } else {
        Role::Dialer
    };
    let mut opening = Opening::new(Arc::new(settings), role, Nonce::new([3; 32]));
    opening.cleartext = true;
    opening.local = (setting & 4 != 0).then(|| "127.0.0.1:4040".parse().expect("an address"));
    opening.start().expect("a greeting").0
}

fn opening(input: &mut Input<'_>, greeting: AwaitGreeting) -> Result<String, HandshakeError> {
    let Some(greeted) = input.feed(greeting)? else {
        return Ok("waits for a greeting".into());
    };
    let ready = match greeted {
        Greeted::Plain(ready) => ready,
        Greeted::Tls(tls) => {
            return Ok(format!(
                "TLS as {:?} with {}",
                tls.role(),
                tls.peer().node()
            ));
        }
    };
    let Some(verified) = input.feed(ready.authenticate().0)? else {
        return Ok("waits for an auth line".into());
    };
    let (established, _) = verified.finish();
    Ok(format!(
        "{established}, provider {:?}",
        established.peer().provider()
    ))
}

/// The peer's bytes, in pieces.
struct Input<'a> {
    rest: &'a [u8],
    buffer: Vec<u8>,
    size: usize,
    used: usize,
}

impl Input<'_> {
    /// The state after `state`, unless the bytes end before it.
    fn feed<S: Awaiting>(&mut self, mut state: S) -> Result<Option<S::Next>, HandshakeError> {
        loop {
            let (used, progress) = state.receive(&self.buffer)?;
            self.buffer.drain(..used);
            self.used += used;
            state = match progress {
                Progress::Done(next) => return Ok(Some(next)),
                Progress::More(state) => state,
            };
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (piece, rest) = self.rest.split_at(self.size.min(self.rest.len()));
            self.buffer.extend_from_slice(piece);
            self.rest = rest;
        }
    }
}

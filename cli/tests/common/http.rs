//! HTTP as a few bytes over a socket, so that a request can be as wrong as it likes.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::running::LIMIT;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines of the head behind the first, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks for `path`, and reads to the end of the connection.
pub(crate) fn get(at: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {at}\r\n\r\n");
    ask(at, request.as_bytes()).unwrap_or_else(|said| panic!("{path}: {said:?}"))
}

/// Sends `request` as it is; what was said instead of an answer where there is none.
pub(crate) fn ask(at: &str, request: &[u8]) -> Result<Answer, String> {
    let mut stream = TcpStream::connect(at).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
    // The other end may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said).into_owned();
    let Some((head, body)) = said.split_once("\r\n\r\n") else {
        return Err(format!("{said:?}, {read:?}"));
    };
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or(first)?,
        head: rest.to_lowercase(),
        body: body.to_owned(),
    })
}

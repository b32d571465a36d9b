//! Requests of the directory: what strangers say disturbs no honest node. The input is a stream of CBOR messages; the name
//! of the port says who sends one: `p` the one that is a Perl node, `r` the one that connects anew after it.
#![no_main]

use aemp::Cbor;
use aemp_fuzz::decode;
use aemp_proto::directory::tests::{Said, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let received = decode(&Cbor, "", data, [data.len(); 2]).received;
    run(received.into_iter().map(|one| Said {
        by_perl: one.port.as_str().contains('p'),
        returns: one.port.as_str().contains('r'),
        request: one
            .message
            .to_values()
            .expect("a well-formed message")
            .to_vec(),
    }));
});

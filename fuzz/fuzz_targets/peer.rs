//! The peer's machine: calls, a connection and the remote end in any order, compared with the model of its promises.
#![no_main]

use aemp_proto::peer::tests::run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Err(broken) = run(data) {
        panic!("{broken}");
    }
});

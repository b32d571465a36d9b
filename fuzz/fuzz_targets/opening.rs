//! The whole opening: two ends and an attacker between them. An end opens only on the lines that the other has sent.
#![no_main]

use aemp_proto::handshake::tests::run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| run(data));

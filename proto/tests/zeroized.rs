//! What is left of a secret in the memory of the process: nothing, once all clones are dropped.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;

use aemp_proto::handshake::Secret;

/// The secret is this text with each byte changed by [`MASK`], so that the search itself holds no copy of it.
const MASKED: &[u8] = b"what nobody else in this process has";
const MASK: u8 = 0x2a;

/// How often the secret is in memory that this process can write.
fn copies() -> usize {
    let maps = read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut window = vec![0; 1 << 20];
    let mut found = 0;
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (range, _) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [mut at, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let own = window.as_ptr_range();
        while at < end {
            let len = window.len().min((end - at) as usize);
            let part = &mut window[..len];
            // A region may have gone.
            if memory.read_exact_at(part, at).is_ok() {
                part.iter_mut().for_each(|byte| *byte ^= MASK);
                let here = part.windows(MASKED.len()).enumerate();
                let here = here.filter(|(offset, bytes)| {
                    let place = at as usize + offset;
                    *bytes == MASKED && !(own.start as usize..own.end as usize).contains(&place)
                });
                found += here.count();
            }
            // Windows overlap, or a copy could lie across two of them.
            at += len.saturating_sub(MASKED.len()).max(1) as u64;
        }
        window.fill(0);
    }
    found
}

#[test]
fn nothing_is_left_of_a_secret() {
    let text: String = MASKED.iter().map(|byte| char::from(byte ^ MASK)).collect();
    let secret = Secret::from_text(&text, 16).unwrap();
    // The text is the program's own copy.
    let mut text = text.into_bytes();
    text.fill(0);
    std::hint::black_box(&text);
    let clone = secret.clone();
    assert!(copies() >= 1, "the search finds it");
    drop(secret);
    assert!(copies() >= 1, "clones share it");
    drop(clone);
    assert_eq!(copies(), 0);
}

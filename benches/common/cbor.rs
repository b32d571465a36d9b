//! CBOR by hand, as far as the messages of the benches need it.

/// The initial byte and the argument of the item at `at`, which moves behind them; none if they are cut off.
pub(crate) fn head(src: &[u8], at: &mut usize) -> Option<(u8, u64)> {
    let initial = *src.get(*at)?;
    *at += 1;
    let argument = match initial & 0x1f {
        n @ 0..24 => n.into(),
        info => {
            let size = 1 << (info - 24);
            let bytes = src.get(*at..*at + size)?;
            *at += size;
            bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
        }
    };
    Some((initial, argument))
}

/// The text at `at`, likewise.
pub(crate) fn text<'a>(src: &'a [u8], at: &mut usize) -> Option<&'a str> {
    let (initial, len) = head(src, at)?;
    assert_eq!(initial >> 5, 3);
    let text = src.get(*at..*at + len as usize)?;
    *at += len as usize;
    Some(std::str::from_utf8(text).expect("UTF-8"))
}

/// Appends the head of an item.
pub(crate) fn put_head(out: &mut Vec<u8>, major: u8, n: u64) {
    match n {
        0..24 => out.push(major << 5 | n as u8),
        24..=0xff => out.extend([major << 5 | 24, n as u8]),
        _ => {
            out.push(major << 5 | 26);
            out.extend((n as u32).to_be_bytes());
        }
    }
}

/// Appends a text.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

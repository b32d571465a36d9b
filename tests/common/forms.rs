//! The forms in which a secret could be shown: as it is, in hexadecimal, and in base64 wherever it stands in what is encoded.

/// Asserts that `text` shows `secret` in no form.
pub(crate) fn assert_hidden(secret: &str, text: &str) {
    for form in forms(secret.as_bytes()) {
        if let Some(at) = text.find(&form) {
            let line = text[..at].lines().count();
            panic!("line {line} shows the secret as {form}");
        }
    }
}

fn forms(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let spaced: Vec<_> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed = format!("{secret:?}");
    let mut forms = vec![
        String::from_utf8_lossy(secret).into_owned(),
        hex.to_uppercase(),
        hex,
        spaced.join(" "),
        listed.trim_matches(['[', ']']).to_owned(),
    ];
    for before in 0..3 {
        let bytes = [&vec![0; before], secret].concat();
        // Without the characters that what stands before and behind it has a part in.
        let inner = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        let text = base64(&bytes)[inner].to_owned();
        forms.push(text.replace('+', "-").replace('/', "_"));
        forms.push(text);
    }
    forms
}

/// Base64 without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits: u32, at| {
            bits << 8 | u32::from(*three.get(at).unwrap_or(&0))
        });
        for at in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

#[test]
fn every_form_is_found() {
    let secret = "correct horse battery staple";
    for text in [
        "the secret is correct horse battery staple!",
        "00636f727265637420686f727365206261747465727920737461706c6500",
        "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==",
        "PGNvcnJlY3QgaG9yc2UgYmF0dGVyeSBzdGFwbGU+",
        "PDxjb3JyZWN0IGhvcnNlIGJhdHRlcnkgc3RhcGxlPj4=",
    ] {
        let shown = std::panic::catch_unwind(|| assert_hidden(secret, text));
        assert!(shown.is_err(), "{text}");
    }
    assert_hidden(secret, "correct horse battery");
}

//! The heads of CBOR data items (RFC 8949 section 3): major type, additional information, argument.

/// The beginning of a data item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The major type, 0 to 7.
    pub(crate) major: u8,
    /// The additional information, 0 to 31 without 28 to 30.
    pub(crate) info: u8,
    /// The argument; nothing for an indefinite length or a break.
    pub(crate) argument: Option<u64>,
    /// How many bytes the head takes.
    pub(crate) len: usize,
}

/// Why there is no head.
pub(crate) enum NoHead {
    /// At least so many more bytes are needed.
    Cut(usize),
    Wrong(String),
}

impl Head {
    /// The head at `at` in `bytes`.
    #[inline]
    pub(crate) fn read(bytes: &[u8], at: usize) -> Result<Self, NoHead> {
        let Some(&initial) = bytes.get(at) else {
            return Err(NoHead::Cut(1));
        };
        let (major, info) = (initial >> 5, initial & 0x1f);
        if info < 24 {
            return Ok(Self {
                major,
                info,
                argument: Some(info.into()),
                len: 1,
            });
        }
        Self::read_long(bytes, at, major, info)
    }

    fn read_long(bytes: &[u8], at: usize, major: u8, info: u8) -> Result<Self, NoHead> {
        let rest = &bytes[at + 1..];
        let size = match info {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 if matches!(major, 2..=5 | 7) => 0,
            _ => {
                let what = format!("byte 0x{:02x} begins nothing", major << 5 | info);
                return Err(NoHead::Wrong(what));
            }
        };
        let Some(argument) = rest.get(..size) else {
            return Err(NoHead::Cut(size - rest.len()));
        };
        let number = argument.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
        if major == 7 && info == 24 && number < 32 {
            let what = format!("the simple value {number} is not in its one-byte form");
            return Err(NoHead::Wrong(what));
        }
        Ok(Self {
            major,
            info,
            argument: (size > 0).then_some(number),
            len: 1 + size,
        })
    }
}

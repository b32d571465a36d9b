//! The heads of CBOR data items (RFC 8949 section 3): major type, additional information, argument.

/// The beginning of a data item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// The first byte: the major type in the upper three bits, the additional information in the lower five.
    pub(crate) initial: u8,
    /// The argument; 0 for an indefinite length or a break.
    pub(crate) argument: u64,
    /// The length of the head in bytes.
    pub(crate) len: usize,
}

/// Why a head cannot be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HeadError {
    /// Incomplete: at least so many more bytes are needed.
    Incomplete(usize),
    /// The bytes are not well-formed.
    Malformed,
}

/// The error text of `HeadError::Malformed` for the bytes at that position.
pub(crate) fn wrong(bytes: &[u8]) -> String {
    match bytes {
        [0xf8, number, ..] => format!("the simple value {number} is not in its one-byte form"),
        [initial, ..] => format!("byte 0x{initial:02x} begins nothing"),
        [] => String::new(),
    }
}

impl Head {
    /// Reads the head at `at` in `bytes`.
    #[inline(always)]
    pub(crate) fn read(bytes: &[u8], at: usize) -> Result<Self, HeadError> {
        let Some(&initial) = bytes.get(at) else {
            return Err(HeadError::Incomplete(1));
        };
        let info = initial & 0x1f;
        let (argument, len) = match info {
            0..24 => (info.into(), 1),
            24 => {
                let [n] = argument(bytes, at)?;
                if initial == 0xf8 && n < 32 {
                    return Err(HeadError::Malformed);
                }
                (n.into(), 2)
            }
            25 => (u16::from_be_bytes(argument(bytes, at)?).into(), 3),
            26 => (u32::from_be_bytes(argument(bytes, at)?).into(), 5),
            27 => (u64::from_be_bytes(argument(bytes, at)?), 9),
            31 if matches!(initial >> 5, 2..=5 | 7) => (0, 1),
            _ => return Err(HeadError::Malformed),
        };
        Ok(Self {
            initial,
            argument,
            len,
        })
    }

    /// The major type, 0 to 7.
    #[inline(always)]
    pub(crate) fn major(self) -> u8 {
        self.initial >> 5
    }

    /// Whether this begins an item of indefinite length, or is the break at its end.
    #[inline(always)]
    pub(crate) fn is_indefinite(self) -> bool {
        self.initial & 0x1f == 31
    }

    /// The argument as a length in memory, saturated.
    #[inline(always)]
    pub(crate) fn length(self) -> usize {
        usize::try_from(self.argument).unwrap_or(usize::MAX)
    }
}

/// The `N` bytes of an argument after the byte at `at`.
#[inline(always)]
fn argument<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], HeadError> {
    let rest = &bytes[at + 1..];
    match rest.first_chunk() {
        Some(argument) => Ok(*argument),
        None => Err(HeadError::Incomplete(N - rest.len())),
    }
}

//! The `cbor` framing of aemp.

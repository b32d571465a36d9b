//! The `json` framing of aemp.

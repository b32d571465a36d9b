//! The errors of rustls as an operator needs them: who refuses whom, and why.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// The error of a TLS connection in words. The kind [`UnexpectedEof`](ErrorKind::UnexpectedEof) is kept.
pub(crate) fn explained(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::UnexpectedEof {
        let text = "the peer ended the connection without closing TLS: it was cut off, or its program ended";
        return io::Error::new(ErrorKind::UnexpectedEof, text);
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(inner) = inner else { return error };
    let text = match inner {
        Error::AlertReceived(alert) => received(*alert),
        Error::NoCertificatesPresented
        | Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            "the peer presented no certificate".to_owned()
        }
        Error::PeerIncompatible(why) => format!("nothing in common with the peer: {why:?}"),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            format!("what the peer sends is not TLS, or was changed on the way: {inner}")
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the peer does not own the key of the certificate that it presents".to_owned()
        }
        Error::DecryptError => {
            "what the peer sent was changed on the way: it cannot be decrypted".to_owned()
        }
        other => other.to_string(),
    };
    io::Error::new(ErrorKind::InvalidData, text)
}

/// An alert of the peer, which ends the connection.
fn received(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let what = match alert {
        Alert::UnknownCA => "the peer does not trust this node's certificate",
        Alert::CertificateExpired => {
            "the peer refuses this node's certificate: it has expired, or is not valid yet by the peer's clock"
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::AccessDenied => "the peer refuses this node's certificate",
        Alert::CertificateRequired => "the peer requires a certificate of this node",
        Alert::ProtocolVersion => "the peer speaks no version of TLS that this node speaks",
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "the peer finds nothing in common with this node"
        }
        Alert::BadRecordMac | Alert::DecryptError => {
            "what this node sent was changed on the way, says the peer"
        }
        _ => "the peer ended TLS with an error",
    };
    format!("{what} (TLS alert {alert:?}); its log may say more")
}

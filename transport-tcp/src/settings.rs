//! The socket options of every connection.

use std::io;

use socket2::SockRef;

use crate::keepalive::KeepaliveOptions;

/// The socket options of every connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) nodelay: bool,
    pub(crate) keepalive: KeepaliveOptions,
}

impl Settings {
    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        self.keepalive.apply(socket)
    }
}

//! What every connection is set to.

use std::io;

use socket2::SockRef;

use crate::life::Life;

/// What every connection is set to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) nodelay: bool,
    pub(crate) life: Life,
}

impl Settings {
    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        self.life.apply(socket)
    }
}

//! `Report`: an error and its sources as one line.

use std::error::Error;
use std::fmt;

/// Shows an error and its sources as one line: `cannot save: disk full`.
///
/// The text of an error of this library does not repeat its [`source`](Error::source), which reporters such as
/// `anyhow`'s print after it. So a program that prints an error itself, in a log for example, prints its `Report`.
///
/// ```
/// # fn example(node: aemp::LocalNode, port: aemp::PortId) {
/// use aemp::error::Report;
/// if let Err(error) = node.try_send(&port, ("limit", f64::NAN)) {
///     println!("{}", Report(&error));
/// }
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Report<'e>(pub &'e (dyn Error + 'e));

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Errors of other libraries often end with their source already.
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({self})")
    }
}

//! `ConfigFile`: the configuration file.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aemp_core::settings::{Asked, ConfigSource, Settings};
use aemp_core::{StartError, Value};

use crate::location::Origin;
use crate::{Document, FileError, ProfileSource, Profiles, integers, location, lock, replace};

/// Maximum length of the file in bytes.
const MAX_LENGTH: u64 = 16 << 20;

/// Byte order marks, which some editors put first, and what is wrong about them.
const MARKS: [(&[u8], &str); 3] = [
    (
        b"\xef\xbb\xbf",
        "the file begins with a byte order mark (BOM), which JSON does not have: save it as UTF-8 without one",
    ),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
];

const UTF_16: &str =
    "the file begins with a byte order mark (BOM) of UTF-16: save it as UTF-8 without one";

/// A configuration file. It may not exist.
///
/// ```
/// use aemp::Value;
/// use aemp::profile::{ConfigFile, Scope};
///
/// let folder = std::env::temp_dir().join(format!("aemp-doc-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let file = ConfigFile::from_path(folder.join("aemp.rc"));
/// file.update(|document| document.set(Scope::Profile("seed"), "binds", Value::from("127.0.0.1:4041")))?;
/// let document = file.read()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # drop(document);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    origin: Origin,
}

impl ConfigFile {
    /// The file at the path in `AEMP_RC`, or else in `PERL_ANYEVENT_MP_RC`, or else `~/.perl-anyevent-mp`.
    ///
    /// # Errors
    /// If neither is set and this user has no home directory.
    pub fn find() -> Result<Self, FileError> {
        location::locate(|name| std::env::var_os(name), std::env::home_dir())
            .map(|(path, origin)| Self { path, origin })
            .ok_or(FileError::NoPlace)
    }

    /// The file with this path.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            origin: Origin::Given,
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why there is no file, if there is none: what has named its path, or that `HOME` is not set.
    pub fn no_file(&self) -> Option<String> {
        let found = fs::metadata(&self.path);
        let missing = found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        missing.then(|| self.origin.no_file(&self.path))
    }

    /// Reads the content. A missing file has no keys.
    ///
    /// # Errors
    /// If the file exists and cannot be read or is no configuration. The error has line and column.
    pub fn read(&self) -> Result<Document, FileError> {
        let Some(text) = self.text()? else {
            return Ok(Document::default());
        };
        self.parse(&text)
    }

    fn parse(&self, text: &[u8]) -> Result<Document, FileError> {
        let broken = |line, column, what| FileError::Broken {
            path: self.path.clone(),
            line,
            column,
            what,
        };
        if let Some((_, what)) = MARKS.iter().find(|(mark, _)| text.starts_with(mark)) {
            return Err(broken(1, 1, (*what).to_owned()));
        }
        let parsed = serde_json::from_slice(text);
        let content: Value = parsed
            .map_err(|error| broken(error.line(), error.column(), without_position(&error)))?;
        Document::new(content).map_err(|what| FileError::Shape {
            path: self.path.clone(),
            what,
        })
    }

    /// Reads the content of a file that is about to be changed; see [`update`](Self::update).
    ///
    /// # Errors
    /// As [`read`](Self::read), and if the file has another version or an integer beyond 64 bits: what this program would write
    /// in its place could mean something else.
    pub fn read_for_update(&self) -> Result<Document, FileError> {
        let Some(text) = self.text()? else {
            return Ok(Document::default());
        };
        let document = self.parse(&text)?;
        let path = || self.path.clone();
        if let Some(version) = document.other_version() {
            return Err(FileError::Version {
                path: path(),
                found: version.to_string(),
            });
        }
        if let Some(found) = integers::beyond_64_bits(&text) {
            return Err(FileError::Inexact {
                path: path(),
                line: found.line,
                column: found.column,
                number: found.number,
            });
        }
        Ok(document)
    }

    /// Changes the content atomically: no concurrent update of another program is lost. Without a change the file is not
    /// written. A new file begins with `version`. The previous version is kept under the same name with `~` appended.
    ///
    /// Blocks while another program rewrites the file, at most 10 s.
    ///
    /// # Errors
    /// As [`read_for_update`](Self::read_for_update), and if the file cannot be rewritten. The file is unchanged then.
    pub fn update<T>(&self, change: impl FnOnce(&mut Document) -> T) -> Result<T, FileError> {
        self.try_update(|document| Ok(change(document)))
    }

    /// Like [`update`](Self::update), for a change that can fail; nothing is written then.
    ///
    /// # Errors
    /// The error of `change`, and the errors of [`update`](Self::update).
    pub fn try_update<T, E: From<FileError>>(
        &self,
        change: impl FnOnce(&mut Document) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = self.target()?;
        let _lock = lock::lock(&path)?;
        let before = self.read_for_update()?;
        let mut after = before.clone();
        let result = change(&mut after)?;
        if after == before {
            return Ok(result);
        }
        if before == Document::default() {
            after.begin_with_version();
        }
        let failed = |error: serde_json::Error| FileError::Write {
            step: "writing as JSON",
            path: path.clone(),
            error: error.into(),
        };
        let mut content = serde_json::to_vec_pretty(&after.to_value()).map_err(failed)?;
        content.push(b'\n');
        replace::replace(&path, &content)?;
        Ok(result)
    }

    /// The target of the path if that is a symbolic link, so that the link itself is not replaced.
    fn target(&self) -> Result<PathBuf, FileError> {
        match fs::canonicalize(&self.path) {
            Ok(path) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.path.clone()),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    fn text(&self) -> Result<Option<Vec<u8>>, FileError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(error)),
        };
        let mut text = Vec::new();
        file.take(MAX_LENGTH + 1)
            .read_to_end(&mut text)
            .map_err(|error| self.unreadable(error))?;
        if text.len() as u64 > MAX_LENGTH {
            return Err(FileError::TooLong {
                path: self.path.clone(),
                limit: MAX_LENGTH,
            });
        }
        Ok(Some(text))
    }

    fn unreadable(&self, error: io::Error) -> FileError {
        FileError::Read {
            path: self.path.clone(),
            error,
        }
    }
}

/// The error text of serde_json without the line and column at its end, which are shown first.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The name of this host. It is the default name of the profile. Bytes that are not UTF-8 become U+FFFD, and an empty name
/// `localhost`.
///
/// # Errors
/// If the system does not return it.
pub fn host_name() -> Result<String, FileError> {
    let name = hostname::get().map_err(FileError::HostName)?;
    Ok(match name.to_string_lossy() {
        name if name.is_empty() => "localhost".to_owned(),
        name => name.into_owned(),
    })
}

impl ProfileSource for ConfigFile {
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(self.read()?.to_value())
    }

    fn no_file(&self) -> Option<String> {
        Self::no_file(self)
    }

    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(host_name()?)
    }
}

impl ConfigSource for ConfigFile {
    fn configure(&self, asked: &Asked, settings: &mut Settings) -> Result<(), StartError> {
        Profiles(self).configure(asked, settings)
    }
}

/// The file of [`ConfigFile::find`], which is called when a node with a profile starts.
#[derive(Debug, Clone, Copy)]
pub struct UsualFile;

impl ProfileSource for UsualFile {
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
        ConfigFile::find()?.load()
    }

    fn no_file(&self) -> Option<String> {
        ConfigFile::find().ok()?.no_file()
    }

    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(host_name()?)
    }
}

impl ConfigSource for UsualFile {
    fn configure(&self, asked: &Asked, settings: &mut Settings) -> Result<(), StartError> {
        Profiles(self).configure(asked, settings)
    }
}

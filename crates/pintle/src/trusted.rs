//! Directories and files that the server trusts: its own or root's, not writable by others, and no links.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const ROOT: u32 = 0;
/// Bits of a mode that let group and others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Refuses a directory in which others can plant files. One that is not there holds nothing.
pub fn check_dir(dir: &Path) -> Result<(), String> {
    let Some(found) = find(dir)? else { return Ok(()) };
    if !found.is_dir() {
        return Err(format!("{}: is not a directory", dir.display()));
    }
    check(dir, &found)
}

/// Refuses a file that is a link, or writable by others; a missing one is fine.
pub fn check_file(path: &Path) -> Result<(), String> {
    find(path)?.map_or(Ok(()), |found| check(path, &found))
}

/// The text of a file in a directory, both checked; none where there is no file.
pub fn read(path: &Path) -> Result<Option<String>, String> {
    path.parent().map_or(Ok(()), check_dir)?;
    let Some(found) = find(path)? else { return Ok(None) };
    check(path, &found)?;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    // Only a user who may write the directory could have replaced the file; but checking costs nothing.
    if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
        return Err(format!("{}: was replaced while it was read", path.display()));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

fn find(path: &Path) -> Result<Option<Metadata>, String> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn check(path: &Path, found: &Metadata) -> Result<(), String> {
    let shown = path.display();
    if found.is_symlink() {
        return Err(format!("{shown}: is a symbolic link, which is not followed"));
    }
    let (mode, owner) = (found.mode() & 0o7777, found.uid());
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(format!(
            "{shown}: is writable by other users (mode {mode:04o}) and cannot be trusted; run chmod go-w"
        ));
    }
    if owner != ROOT && own_id().is_some_and(|own| own != owner) {
        return Err(format!("{shown}: belongs to another user ({owner})"));
    }
    Ok(())
}

/// The user that the server runs as, where the system reports it.
fn own_id() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|found| found.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_write_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.key");
        assert_eq!(read(&file), Ok(None));
        fs::write(&file, "x").unwrap();
        chmod(&file, 0o600);
        assert_eq!(read(&file), Ok(Some("x".into())));
        for mode in [0o620, 0o602, 0o666] {
            chmod(&file, mode);
            assert!(read(&file).unwrap_err().contains("writable by other users"), "{mode:o}");
        }
        chmod(&file, 0o644);
        for mode in [0o770, 0o777, 0o1777] {
            chmod(dir.path(), mode);
            assert!(read(&file).unwrap_err().contains("writable by other users"), "{mode:o}");
            assert!(check_dir(dir.path()).is_err());
        }
        chmod(dir.path(), 0o755);
        assert_eq!(read(&file), Ok(Some("x".into())));
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        assert!(read(&link).unwrap_err().contains("is a symbolic link"));
        assert!(check_file(&link).is_err());
        let linked_dir = dir.path().join("dir");
        symlink(dir.path(), &linked_dir).unwrap();
        assert!(check_dir(&linked_dir).is_err());
        // A link to nothing, for a file to be made elsewhere.
        let dangling = dir.path().join("dangling");
        symlink("/nowhere", &dangling).unwrap();
        assert!(read(&dangling).is_err());
    }
}

//! Where ONNX Runtime's shared library lies.

use std::path::{Path, PathBuf};

/// Names the library itself, before any search.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// The folder that `pip install --target .runtime onnxruntime` fills.
const WHEEL_FOLDER: &str = ".runtime/onnxruntime/capi";
const SYSTEM_FOLDERS: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/homebrew/lib",
];

/// The library that [`open`](super::open) would load: the one that `ORT_DYLIB_PATH` names, else the newest in
/// `.runtime/onnxruntime/capi` beside the working folder, the executable or one of the folders above either, else one
/// in the system's library folders. A path in `ORT_DYLIB_PATH` is returned whether it exists or not, so that a
/// mistake in it is reported and not silently passed over.
pub fn find_onnxruntime() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    find_beside(starts.iter().flatten().map(PathBuf::as_path)).or_else(find_in_system)
}

/// The newest library in the wheel's folder under one of `starts` or a folder above it.
fn find_beside<'a>(starts: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    starts.flat_map(Path::ancestors).find_map(|folder| newest_library(&folder.join(WHEEL_FOLDER)))
}

fn find_in_system() -> Option<PathBuf> {
    SYSTEM_FOLDERS.iter().find_map(|folder| newest_library(Path::new(folder)))
}

fn newest_library(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_library))
        .max_by_key(|path| version(path))
}

fn is_library(name: &str) -> bool {
    name == "onnxruntime.dll"
        || name.starts_with("libonnxruntime.so")
        || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
}

/// The numbers in a file name, which order `1.9.0` before `1.31.1`.
fn version(path: &Path) -> Vec<u64> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_newest_library_above_a_start() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let capi = root.path().join(WHEEL_FOLDER);
        std::fs::create_dir_all(&capi).expect("a folder");
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so"] {
            std::fs::write(capi.join(name), b"").expect("a file");
        }
        let deep = root.path().join("target/debug/deps");
        let found = find_beside([deep.as_path()].into_iter());
        assert_eq!(found, Some(capi.join("libonnxruntime.so.1.31.1")));
    }

    #[test]
    fn finds_nothing_where_there_is_nothing() {
        let root = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(newest_library(root.path()), None);
    }
}

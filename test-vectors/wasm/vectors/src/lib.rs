//! The runner of the test vectors as a WebAssembly module: the text of a file goes in, what disagrees comes out.
//!
//! `#[unsafe(no_mangle)]` is what gives a function a name that JavaScript can call; nothing else here is unsafe, and that each
//! name is there once the linker sees.

use std::error::Error;
use std::sync::Mutex;

use envelope_test_vectors::{Vector, run, statement};

/// What JavaScript writes, and then what it reads.
static TEXT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Room for a text of so many bytes: where it is to be written.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    TEXT.lock().map_or(std::ptr::null_mut(), |mut text| {
        *text = vec![0; length];
        text.as_mut_ptr()
    })
}

/// Where the text of the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> *const u8 {
    TEXT.lock().map_or(std::ptr::null(), |text| text.as_ptr())
}

/// Puts the vector in [`room`] to core. Returns the length of what disagrees; 0 when nothing does.
#[unsafe(no_mangle)]
pub extern "C" fn vector() -> usize {
    answer(|text| {
        let vector: Vector = serde_json::from_slice(text)?;
        let (expected, found) = (vector.expected(), run(&vector)?);
        Ok((expected != found).then(|| format!("expected {expected:?}, found {found:?}")))
    })
}

/// The same for a vector of statements.
#[unsafe(no_mangle)]
pub extern "C" fn statements() -> usize {
    answer(|text| {
        let vector: statement::Vector = serde_json::from_slice(text)?;
        let (expected, found) = (vector.expected(), statement::run(&vector)?);
        Ok((expected != found).then(|| format!("expected {expected:?}, found {found:?}")))
    })
}

fn answer(put: impl FnOnce(&[u8]) -> Result<Option<String>, Box<dyn Error>>) -> usize {
    let Ok(mut text) = TEXT.lock() else { return usize::MAX };
    let differs = put(&text).unwrap_or_else(|error| Some(error.to_string())).unwrap_or_default();
    *text = differs.into_bytes();
    text.len()
}

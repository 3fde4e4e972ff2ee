//! Says where a program begins that no operating system starts.

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    let arguments: &[&str] = if target.starts_with("wasm") {
        &["--no-entry", "--export=room", "--export=verify"]
    } else {
        &["--entry=verify"]
    };
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}

//! One file in `tests/cmd` per behaviour of the command.

#[test]
fn commands_say_what_their_files_say() {
    let home = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .env("ENVELOPE_HOME", home.path().to_str().unwrap())
        .case("tests/cmd/*.trycmd")
        .run();
}

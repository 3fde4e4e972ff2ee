//! One module for each topic; the topics are the folders under `vectors/`.

mod authority;
mod body;
mod certificate;
mod claim;
mod coverage;
mod document;
mod ending;
mod field;
mod guid;
mod jws;
mod key;
mod login;
mod parameter;
mod parse;
mod policy;
mod replay;
mod revoked;
mod signature;
mod standing;
mod target;
mod time;
mod user;
mod value;
mod whole;

use envelope_test_vectors::Vector;

/// All of them, in the order of the spec.
pub(super) fn fill(all: &mut Vec<Vector>) {
    for topic in [
        whole::fill,
        parse::fill,
        field::fill,
        value::fill,
        parameter::fill,
        coverage::fill,
        target::fill,
        authority::fill,
        time::fill,
        certificate::fill,
        claim::fill,
        jws::fill,
        key::fill,
        login::fill,
        user::fill,
        standing::fill,
        revoked::fill,
        ending::fill,
        signature::fill,
        body::fill,
        replay::fill,
        policy::fill,
        guid::fill,
        document::fill,
    ] {
        topic(all);
    }
}

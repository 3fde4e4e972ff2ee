//! `envelope verify`: checks a signed request.

use envelope_core::{
    Call, Code, Intact, Refusal, Thumbprint, Timestamp, TrustList, Verifier, Window, is_enveloped,
};

use crate::args::Verify;
use crate::clock;
use crate::error::Error;
use crate::key_arg;
use crate::message::{Limit, Message, read_input};
use crate::report::{self, Fact, Facts};

pub(crate) fn run(args: &Verify) -> Result<(), Error> {
    let outcome = judge(args);
    report::refusal(&outcome, args.json.json);
    outcome
}

fn judge(args: &Verify) -> Result<(), Error> {
    let trust = key_arg::read_trust(&args.trust)?;
    let now = args.at.map_or_else(clock::now, |at| Ok(at.0))?;
    let message = Message::parse(&read_input(&args.file, Limit::MESSAGE)?).map_err(Error::Refused)?;
    let intact = check(&message, args, &trust, now).map_err(Error::Refused)?;
    facts(&message, intact.call()).print(args.json.json)
}

/// Stages 1 to 6 of a verification. Stage 7, replay, needs the memory of a server; stage 8 its rules.
fn check(message: &Message, args: &Verify, trust: &TrustList, now: Timestamp) -> Result<Intact, Refusal> {
    let fields = message.fields();
    let request = message.request(&fields);
    if !is_enveloped(&request) {
        return Err(Refusal::new(Code::Unauthenticated, "the request has no envelope"));
    }
    let verifier = Verifier::new(message.authorities(&args.authority)?);
    let verifier = verifier.with_window(Window::new(args.window).unwrap_or_default());
    verifier.verify(&request, trust, now)?.check_body(&message.body, now)
}

fn facts(message: &Message, call: &Call) -> Facts {
    let identity_key = call.certificate().map(|certificate| certificate.identity_key());
    let text = |thumbprint: Thumbprint| Fact::Text(thumbprint.to_string());
    let list = |list: Option<&[String]>| list.map(|list| Fact::List(list.to_vec()));
    Facts::default()
        .with("valid", Fact::Flag(true))
        .with("identity", call.identity().as_str())
        .and("identity_key", identity_key.map(text))
        .with("keyid", text(call.keyid()))
        .with("method", message.method.as_str())
        .with("authority", call.base().authority())
        .with("target", message.target.as_str())
        .with("created", Fact::Time(call.created()))
        .with("expires", Fact::Time(call.expires()))
        .and("aud", call.grant().and_then(|grant| list(grant.audiences())))
        .and("scope", call.grant().and_then(|grant| list(grant.scopes())))
        .with("replay", "not checked by this command")
}

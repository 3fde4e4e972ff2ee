//! An identity provider with the device flow of RFC 8628, which follows a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::server::{Answer, Server};
use crate::verifier::Verifier;

pub(crate) struct Provider {
    pub(crate) server: Server,
    /// What `/device` answers.
    pub(crate) device: Arc<Mutex<(u16, Value)>>,
}

impl Provider {
    /// `token` is what `/token` answers, one after the other; the last one for ever.
    pub(crate) fn start(token: &[(u16, Value)]) -> Self {
        let device = Arc::new(Mutex::new((
            200,
            json!({"device_code": "DEVICE-SECRET", "user_code": "ABCD-1234", "expires_in": 900, "interval": 1,
                "verification_uri": "https://provider.example/device"}),
        )));
        let token = Mutex::new(VecDeque::from(token.to_vec()));
        let of_device = Arc::clone(&device);
        let server = Server::start(move |seen| {
            assert_eq!(seen.value("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
            assert!(seen.body.contains("client_id=envelope%20cli"), "{}", seen.body);
            let (status, body) = if seen.target == "/device" {
                of_device.lock().unwrap().clone()
            } else {
                let mut script = token.lock().unwrap();
                if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
            };
            Answer::json(status, body)
        });
        Self { server, device }
    }

    /// As `/.well-known/envelope` lists it.
    pub(crate) fn entry(&self, name: &str, kind: &str) -> Value {
        json!({"provider": name, "kind": kind, "client_id": "envelope cli", "scope": "openid read:org",
            "device_authorization_endpoint": format!("{}/device", self.server.url()),
            "token_endpoint": format!("{}/token", self.server.url())})
    }

    /// A verifier that takes GitHub users by this provider; `TOKEN` is Alice's.
    pub(crate) fn with_verifier(token: &[(u16, Value)], kind: &str) -> (Self, Verifier) {
        let (provider, verifier) = (Self::start(token), Verifier::start());
        verifier.with(|state| {
            state.login = json!([provider.entry(kind, kind)]);
            state.users.insert("TOKEN-SECRET".into(), format!("{kind}:alice"));
        });
        (provider, verifier)
    }

    /// The forms that `/token` got.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.server.seen().into_iter().filter(|it| it.target == "/token").map(|it| it.body).collect()
    }
}

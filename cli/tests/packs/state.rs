//! The packs that the verifier keeps, and their tokens.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::outside::now;
use crate::server::Answer;
use crate::verifier::{Caller, State};

impl State {
    fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        format!("{}_{:A>43}", if kind == "swarm" { "rsk" } else { "tok" }, self.minted)
    }

    /// Section 4.
    pub(crate) fn deploy(
        &mut self,
        kind: &str,
        body: &Value,
        caller: &Caller,
    ) -> Result<Answer, &'static str> {
        let Some(guid) = ["pack_guid", "swarm_guid", "guid"].iter().find_map(|it| body[it].as_str()) else {
            return Ok(Answer::json(400, "{\"error\":\"a bundle has a \u{1b}[1mguid\"}"));
        };
        let pack = self.keep(kind, guid, &body["auth"], caller)?;
        let mut answer = json!({"status": "ok", "agent_count": 2, "owner": pack["owner"], "allowed_users": pack["allowed_users"]});
        answer[format!("{kind}_guid")] = guid.into();
        answer[format!("{kind}_token")] = pack["token"].clone();
        Ok(Answer::json(200, answer))
    }

    pub(crate) fn register(
        &mut self,
        guid: &str,
        body: &Value,
        caller: &Caller,
    ) -> Result<Answer, &'static str> {
        let pack = self.keep("pack", guid, body, caller)?;
        let mut answer = self.packs[&guid.to_ascii_lowercase()].0.clone();
        answer["pack_token"] = pack["token"].clone();
        Ok(Answer::json(200, answer))
    }

    fn keep(
        &mut self,
        kind: &str,
        guid: &str,
        rules: &Value,
        caller: &Caller,
    ) -> Result<Value, &'static str> {
        let by = match caller {
            Caller::Signed(call) => Some(call.identity().as_str().to_owned()),
            Caller::Nobody => None,
            Caller::Bearer(_) => return Err("unauthenticated"),
        };
        let owner = rules["owner"].as_str().map(String::from).or(by.clone());
        let before = self.packs.get(&guid.to_ascii_lowercase()).and_then(|it| it.0["owner"].as_str());
        if before.is_some_and(|before| Some(before) != by.as_deref()) {
            return Err(if by.is_some() { "not-allowed" } else { "unauthenticated" });
        }
        let or =
            |name: &str, default: Value| if rules[name].is_null() { default } else { rules[name].clone() };
        let (everybody, signed) = (json!("*"), json!(["signed", "token"]));
        let users = or("allowed_users", if owner.is_some() { json!([]) } else { everybody });
        let pack = json!({"guid": guid, "accept": or("accept", signed), "owner": owner, "allowed_users": users,
            "agents": or("agents", json!([])), "registered": now(), "registered_by": by, "tokens": []});
        self.packs.insert(guid.to_ascii_lowercase(), (pack, BTreeMap::new()));
        let token = self.add_token(kind, guid, "default", &Value::Null);
        Ok(json!({"owner": owner, "allowed_users": users, "token": token["token"]}))
    }

    fn add_token(&mut self, kind: &str, guid: &str, name: &str, ttl: &Value) -> Value {
        let token = self.mint(kind);
        let (pack, tokens) = self.packs.get_mut(&guid.to_ascii_lowercase()).unwrap();
        tokens.insert(name.into(), token.clone());
        let list = pack["tokens"].as_array_mut().unwrap();
        let serial = list.iter().filter(|it| it["name"] == name).count() + 1;
        let expires = ttl.as_u64().map(|ttl| now() + ttl);
        list.push(
            json!({"name": name, "serial": serial, "created": now(), "expires": expires, "last_used": null}),
        );
        json!({"token": token, "name": name, "serial": serial, "expires": expires})
    }

    /// Section 6.
    pub(crate) fn administer(
        &mut self,
        method: &str,
        guid: &str,
        rest: &[&str],
        body: &Value,
    ) -> Result<Answer, &'static str> {
        let Some((pack, tokens)) = self.packs.get_mut(&guid.to_ascii_lowercase()) else {
            return Err("not-allowed");
        };
        let answer = match (method, rest) {
            ("GET", []) => pack.clone(),
            ("DELETE", []) => {
                self.packs.remove(&guid.to_ascii_lowercase());
                json!({"removed": guid})
            }
            ("POST", ["users"]) => {
                let list = match body["agent"].as_str() {
                    None => &mut pack["allowed_users"],
                    Some(agent) => {
                        let agents = pack["agents"].as_array_mut().unwrap();
                        &mut agents.iter_mut().find(|it| it["name"] == agent).ok_or("malformed")?["allowed_users"]
                    }
                };
                let list = list.as_array_mut().unwrap();
                list.extend(body["allow"].as_array().into_iter().flatten().cloned());
                list.retain(|it| !body["deny"].as_array().is_some_and(|deny| deny.contains(it)));
                pack.clone()
            }
            ("POST", ["tokens"]) => {
                let empty = Map::new();
                let body = body.as_object().unwrap_or(&empty);
                assert!(body.keys().all(|it| ["name", "ttl", "overlap"].contains(&it.as_str())), "{body:?}");
                let null = Value::Null;
                self.add_token("pack", guid, body["name"].as_str().unwrap(), body.get("ttl").unwrap_or(&null))
            }
            ("DELETE", ["tokens", name]) => {
                tokens.remove(*name);
                let list = pack["tokens"].as_array_mut().unwrap();
                let before = list.len();
                list.retain(|it| it["name"] != *name);
                json!({"ended": before - list.len()})
            }
            _ => return Err("malformed"),
        };
        Ok(Answer::json(200, answer))
    }
}

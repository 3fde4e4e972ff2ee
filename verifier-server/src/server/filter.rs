//! Lists in an upstream's answers, cut down to what a caller may use (`spec/packs.md`, section 5). What cannot be told is left
//! out.

use serde_json::{Map, Value};

/// The members that name a pack.
pub(crate) const GUIDS: [&str; 3] = ["pack_guid", "swarm_guid", "guid"];

/// What was found in an answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Filtered {
    /// Nothing had to go.
    Whole,
    /// What is left.
    Cut(Value),
    /// No list where there should be one.
    Unreadable,
}

/// Leaves the agents that `may_use` names: in every list or object called `agents`, at any depth, and in a list that is the
/// answer. `is_list`: there must be one.
pub(crate) fn agents(json: &[u8], is_list: bool, may_use: &impl Fn(&str) -> bool) -> Filtered {
    let Ok(mut answer) = serde_json::from_slice::<Value>(json) else { return Filtered::Unreadable };
    let (mut found, mut cut) = (false, false);
    if let (Value::Array(list), true) = (&mut answer, is_list) {
        (found, cut) = (true, keep(list, |agent| name_of(agent).is_some_and(may_use)).1);
    }
    walk(&mut answer, &mut |object| {
        let left = match object.get_mut("agents") {
            Some(Value::Array(list)) => keep(list, |agent| name_of(agent).is_some_and(may_use)),
            Some(Value::Object(map)) => {
                let before = map.len();
                map.retain(|name, _| may_use(name));
                (map.len(), map.len() < before)
            }
            _ => return,
        };
        (found, cut) = (true, cut | left.1);
        count(object, "agent_count", left);
    });
    match (found || !is_list, cut) {
        (false, _) => Filtered::Unreadable,
        (true, false) => Filtered::Whole,
        (true, true) => Filtered::Cut(answer),
    }
}

/// Leaves the packs that `may_call` names: in the lists or objects `packs` and `swarms` of the answer, or in a list that is
/// the answer.
pub(crate) fn packs(json: &[u8], may_call: &impl Fn(&str) -> bool) -> Filtered {
    let Ok(mut answer) = serde_json::from_slice::<Value>(json) else { return Filtered::Unreadable };
    let (mut cut, mut found) = (false, false);
    match &mut answer {
        Value::Array(list) => (found, cut) = (true, keep(list, |pack| guid_of(pack).is_some_and(may_call)).1),
        Value::Object(object) => {
            for (name, counter) in [("packs", "pack_count"), ("swarms", "swarm_count")] {
                let left = match object.get_mut(name) {
                    Some(Value::Array(list)) => keep(list, |pack| guid_of(pack).is_some_and(may_call)),
                    Some(Value::Object(map)) => {
                        let before = map.len();
                        map.retain(|guid, _| may_call(guid));
                        (map.len(), map.len() < before)
                    }
                    _ => continue,
                };
                (found, cut) = (true, cut | left.1);
                count(object, counter, left);
            }
        }
        _ => {}
    }
    match (found, cut) {
        (false, _) => Filtered::Unreadable,
        (true, false) => Filtered::Whole,
        (true, true) => Filtered::Cut(answer),
    }
}

/// How many are left, and whether any had to go.
fn keep(list: &mut Vec<Value>, may: impl Fn(&Value) -> bool) -> (usize, bool) {
    let before = list.len();
    list.retain(|entry| may(entry));
    (list.len(), list.len() < before)
}

fn count(object: &mut Map<String, Value>, counter: &str, (left, cut): (usize, bool)) {
    if let (Some(count), true) = (object.get_mut(counter), cut) {
        *count = left.into();
    }
}

fn name_of(agent: &Value) -> Option<&str> {
    agent.as_str().or_else(|| agent.get("name")?.as_str())
}

fn guid_of(pack: &Value) -> Option<&str> {
    let named = || GUIDS.iter().find_map(|name| pack.get(name)?.as_str());
    pack.as_str().or_else(named)
}

/// Every object in a value, the outermost first. The reader has bounded the depth.
fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values_mut().for_each(|value| walk(value, visit));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    #[test]
    fn agents_that_a_caller_may_not_use_are_not_there() {
        let may_use = |name: &str| name == "A" || name == "B";
        let answer = json!({"status": "ok", "agent_count": 5, "agents": [{"name": "A", "x": 1}, "B", {"name": "C"}, "C", {"id": 1}]});
        let left = json!({"status": "ok", "agent_count": 2, "agents": [{"name": "A", "x": 1}, "B"]});
        assert_eq!(agents(&text(&answer), true, &may_use), Filtered::Cut(left));
        let nested = json!({"pack": {"agents": {"A": {}, "C": {}}}});
        assert_eq!(
            agents(&text(&nested), false, &may_use),
            Filtered::Cut(json!({"pack": {"agents": {"A": {}}}}))
        );
        for whole in [json!({"agents": ["A"]}), json!({"agents": 1}), json!([])] {
            assert_eq!(agents(&text(&whole), false, &may_use), Filtered::Whole, "{whole}");
        }
        assert_eq!(agents(b"A and C", false, &may_use), Filtered::Unreadable);
        let list = text(&json!(["A", {"name": "C"}]));
        assert_eq!(agents(&list, true, &may_use), Filtered::Cut(json!(["A"])));
        assert_eq!(agents(b"{}", true, &may_use), Filtered::Unreadable);
    }

    #[test]
    fn packs_that_a_caller_may_not_call_are_not_there() {
        let may_call = |guid: &str| guid == "p1";
        let answer = json!({"swarm_count": 2, "swarms": [{"swarm_guid": "p1"}, {"swarm_guid": "p2"}], "packs": {"p1": 1, "p2": 2}});
        let left = json!({"swarm_count": 1, "swarms": [{"swarm_guid": "p1"}], "packs": {"p1": 1}});
        assert_eq!(packs(&text(&answer), &may_call), Filtered::Cut(left));
        assert_eq!(
            packs(br#"["p1","p2",{"guid":"p1"}]"#, &may_call),
            Filtered::Cut(json!(["p1", {"guid": "p1"}]))
        );
        assert_eq!(packs(br#"{"packs":[]}"#, &may_call), Filtered::Whole);
        for unreadable in ["{}", "p2", "1", r#"{"packs":"p2"}"#] {
            assert_eq!(packs(unreadable.as_bytes(), &may_call), Filtered::Unreadable, "{unreadable}");
        }
    }
}

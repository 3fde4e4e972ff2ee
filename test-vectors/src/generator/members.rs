//! JSON objects that are written member by member, also such as no library would write.

/// Members of a JSON object in order: name and value as written.
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn new<const N: usize>(members: [(&str, String); N]) -> Self {
        Self(members.map(|(name, value)| (name.into(), value)).into())
    }

    /// Sets a member, in place of the one that is there.
    pub(super) fn set(&mut self, name: &str, json: impl Into<String>) {
        let json = json.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = json,
            None => self.add(name, json),
        }
    }

    /// Adds a member, even if it is there.
    pub(super) fn add(&mut self, name: &str, json: impl Into<String>) {
        self.0.push((name.into(), json.into()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Removes a member and gives its value.
    pub(super) fn take(&mut self, name: &str) -> String {
        let value = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        self.remove(name);
        value.unwrap()
    }

    pub(super) fn to_json(&self) -> String {
        let members: Vec<String> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

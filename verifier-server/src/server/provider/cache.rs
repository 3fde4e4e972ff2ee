//! What a provider said of a token, for a while. The token itself is not kept, only its hash.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
// Its clock is one that tests can move.
use tokio::time::Instant;

use super::{Unavailable, User};

/// How long a good token stays good, whatever happens to it at the provider.
const GOOD: Duration = Duration::from_secs(300);
/// How long a bad one stays bad.
const BAD: Duration = Duration::from_secs(60);
/// How many tokens are remembered.
const CAPACITY: u64 = 10_000;

type Key = [u8; 32];

/// What a provider said.
#[derive(Clone)]
struct Known {
    user: Option<Arc<User>>,
    until: Instant,
}

/// The tokens that were asked about. One question about a token is asked at a time; whoever else wants to know waits for its
/// answer, be it an error.
///
/// When it is full, tokens that come often stay and those that came once go: a flood of made-up tokens does not push out those
/// in use.
pub(super) struct Cache(moka::future::Cache<Key, Known>);

impl Cache {
    pub(super) fn new() -> Self {
        // Tokens that nobody shows any more are forgotten by moka's own clock.
        Self(moka::future::Cache::builder().max_capacity(CAPACITY).time_to_live(GOOD).build())
    }

    /// What is known of a token; `None`: nothing.
    pub(super) async fn recall(&self, bearer: &str) -> Option<Option<Arc<User>>> {
        let known = self.0.get(&key(bearer)).await?;
        (Instant::now() < known.until).then_some(known.user)
    }

    /// What is known of a token, or else what the answer to `question` is.
    pub(super) async fn recall_or(
        &self,
        bearer: &str,
        question: impl Future<Output = Result<Option<User>, Unavailable>>,
    ) -> Result<Option<Arc<User>>, Unavailable> {
        let key = key(bearer);
        if let Some(known) = self.0.get(&key).await {
            if Instant::now() < known.until {
                return Ok(known.user);
            }
            self.0.invalidate(&key).await;
        }
        let known = self.0.try_get_with(key, async {
            let user = question.await?.map(Arc::new);
            let until = Instant::now() + if user.is_some() { GOOD } else { BAD };
            Ok(Known { user, until })
        });
        known.await.map(|known| known.user).map_err(|error: Arc<Unavailable>| *error)
    }

    #[cfg(test)]
    pub(super) async fn len(&self) -> u64 {
        self.0.run_pending_tasks().await;
        self.0.entry_count()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} tokens)", self.0.entry_count())
    }
}

fn key(bearer: &str) -> Key {
    Sha256::digest(bearer).into()
}

//! Delivers on time, beside the main loop.

use super::courier;
use super::credentials::{self, Renewal};
use super::desk::Desk;
use super::round::{Round, RoundError};
use super::run::TICK;
use crate::clock::Clock;
use crate::config::Config;
use crate::push::schedule::quiet;

/// Delivers what is due, for as long as the daemon runs.
pub(super) async fn carry(desk: Desk, config: Config, clock: Clock) {
    let zone = config.time_zone();
    let mut client = None;
    let mut renewal = Renewal::default();
    let mut stamp = credentials::stamp(&config);
    let mut refused = None;
    let mut tick = tokio::time::interval(clock.real(TICK.0).max(TICK.1));
    loop {
        tick.tick().await;
        if quiet(&zone, clock.now()).is_some() {
            continue;
        }
        // New credentials are taken up as they come; a certificate is shown when a connection is made, so it takes new ones.
        let found = credentials::stamp(&config);
        if found != stamp {
            (stamp, client) = (found, None);
        }
        if client.is_none() {
            match courier::client(&config, clock) {
                Some(Ok(made)) => {
                    client = Some(made);
                    let _ = desk.with(|keeper| courier::note_set_up(keeper, None)).await;
                }
                Some(Err(error)) => {
                    if refused.as_ref() != Some(&error) {
                        tracing::error!(error, "the supplier cannot be reached");
                        refused = Some(error.clone());
                        let _ = desk.with(move |keeper| courier::note_set_up(keeper, Some(&error))).await;
                    }
                    continue;
                }
                None => continue,
            }
        }
        let Some(client) = &client else { continue };
        match (Round { desk: &desk, client, clock }).scheduled().await {
            Ok(()) => renewal.look(&desk, &config, clock, client).await,
            Err(RoundError::Gone) => return,
            Err(RoundError::Store(error)) => tracing::error!(%error, "what became of a delivery could not be noted"),
        }
    }
}

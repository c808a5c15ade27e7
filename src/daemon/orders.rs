//! What the service manager orders by signals.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::desk::Desk;
use crate::notify;
use crate::source::Happening;

/// Orders that have come and are not yet obeyed.
pub(super) struct Orders {
    pub(super) stop: StopOrders,
    /// To read the dialects again.
    pub(super) hangup: Signal,
}

/// SIGTERM and SIGINT.
pub(super) struct StopOrders {
    terminate: Signal,
    interrupt: Signal,
}

impl Orders {
    /// From now on signals wait to be asked for, and end nothing by themselves. Within a runtime.
    pub(super) fn listen() -> std::io::Result<Orders> {
        let stop =
            StopOrders { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Orders { stop, hangup: signal(SignalKind::hangup())? })
    }
}

impl StopOrders {
    /// Stops the sources when it is ordered, and again when it is ordered again: that does no harm. `idle` holds a loop
    /// that has no source.
    pub(super) async fn obey(
        mut self,
        stop: watch::Sender<bool>,
        mut idle: Option<mpsc::Sender<Happening>>,
        desk: Desk,
    ) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            tracing::info!("stopping");
            notify::stopping();
            desk.hold_nobody_back();
            let _ = stop.send(true);
            drop(idle.take());
        }
    }
}

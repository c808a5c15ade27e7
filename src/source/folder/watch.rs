//! Who writes in the folder, as the kernel tells it (inotify). Without it only quiet tells that a file is whole.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// What was heard of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Somebody writes it.
    Written,
    /// Whoever wrote it closed it, or it came whole under this name, or it went.
    Closed,
}

/// An open watch.
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Watches the folder; nothing when the system does not let us.
    pub(super) fn open(folder: &Path) -> Option<Watch> {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        let events = WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, folder, events).ok()?;
        Some(Watch(watch))
    }

    /// Everything heard since the last time. Where the kernel had to drop some of it, every file is said to be closed
    /// (no name): quiet has to do then.
    pub(super) fn read(&mut self, mut tell: impl FnMut(Option<&CStr>, News)) {
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.0, &mut room);
        while let Ok(event) = reader.next() {
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                tell(None, News::Closed);
            } else if let Some(name) = event.file_name() {
                tell(Some(name), if what.contains(ReadFlags::MODIFY) { News::Written } else { News::Closed });
            }
        }
    }
}

//! The real receiver over TLS: what it loses comes back, and two boxes for one site do not go unnoticed.

use serde_json::Value;
use smdrd::store::{Cause, OutboxState};

use super::feed::Feed;
use super::office::Office;

/// A box with its receiver, which holds every day that is over.
async fn delivered(first: &str, now: &str) -> (Office, Feed) {
    let mut office = Office::new();
    std::fs::create_dir(office.path("feed")).unwrap();
    let feed = Feed::start(&office.path("feed"), Some(&office.authority.identity("localhost")));
    office.url = feed.https();
    office.begun(first).await;
    office.at(Some(now)).await;
    let outcome = office.push().await;
    assert!(outcome.sent.iter().all(|sent| sent.state == OutboxState::Receipted), "{outcome:?}");
    (office, feed)
}

/// What befalls the receiver's store behind its back: an old backup, for one.
fn forget(feed: &Feed, which: &str) {
    feed.store()
        .execute_batch(&format!(
            "DROP TRIGGER day_revision_is_never_removed;
             DELETE FROM day_revision WHERE {which};
             CREATE TRIGGER day_revision_is_never_removed BEFORE DELETE ON day_revision
             BEGIN SELECT RAISE(ABORT, 'day_revision is append-only'); END;"
        ))
        .unwrap();
}

fn held(feed: &Feed, date: &str) -> Vec<Value> {
    let db = feed.store();
    let mut query = db.prepare("SELECT body FROM day_revision WHERE date = ?1 ORDER BY revision").unwrap();
    let bodies = query.query_map([date], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    bodies.map(|body| serde_json::from_slice(&body.unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn days_that_the_supplier_lost_are_there_again_the_next_night() {
    let (mut office, feed) = delivered("2026-11-10", "2026-11-20T12:00:00Z").await;
    assert_eq!(feed.revisions(), 10);
    let before = office.rows().await;
    forget(&feed, "date IN ('2026-11-10', '2026-11-14', '2026-11-19')");
    office.at(Some("2026-11-21T12:00:00Z")).await;
    office.scheduled().await;
    assert_eq!(office.supplier().await.queued, 4, "three lost, and the new day, which is not due yet");
    office.scheduled().await;
    assert_eq!(feed.revisions(), 10);
    let after = office.rows().await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.sha256, after.state), (&after.sha256, OutboxState::Receipted), "{}", after.date);
    }
    let again = office.supplier().await.compared[0].sent_again.clone();
    assert_eq!(again, ["2026-11-10", "2026-11-14", "2026-11-19"]);
    assert!(office.snapshot().await.supplier.unwrap().parked_days.is_empty());
    // The night after, all is well, and said to be.
    office.at(Some("2026-11-22T12:00:00Z")).await;
    office.scheduled().await;
    assert!(office.supplier().await.compared[0].sent_again.is_empty());
}

/// Starts the box anew with an empty database and another name, or with its own.
async fn replaced(office: &mut Office, device: &'static str, first: &str, now: &str) {
    office.stop();
    std::fs::remove_dir_all(office.path("state")).unwrap();
    office.device = device;
    office.begun(first).await;
    office.at(Some(now)).await;
}

#[tokio::test]
async fn two_boxes_for_one_site_are_noticed_and_a_person_decides() {
    let (mut office, feed) = delivered("2026-11-20", "2026-11-21T06:00:00Z").await;
    replaced(&mut office, "smdrd-other", "2026-11-20", "2026-11-21T07:00:00Z").await;
    office.push().await;
    assert_eq!(office.only().await, (OutboxState::Parked, Some(Cause::Conflict)));
    let problems = office.snapshot().await.problems.join("\n");
    assert!(problems.contains("comes from the box smdrd-test; two boxes send for one site"), "{problems}");
    assert!(problems.contains("smdrd push 2026-11-20"), "{problems}");
    assert_eq!(feed.revisions(), 1, "the other box's document stands");
    // It is not tried again by itself.
    office.at(Some("2026-11-22T12:00:00Z")).await;
    office.scheduled().await;
    assert_eq!(office.rows().await[0].state, OutboxState::Parked);
    let rows = office.rows().await;
    let outcome = office.round().send(vec![rows[0].clone()], true).await.unwrap();
    assert_eq!((outcome.sent[0].state, outcome.sent[0].revision), (OutboxState::Receipted, 2), "{outcome:?}");
    let held = held(&feed, "2026-11-20");
    assert_eq!(held[1]["device"], "smdrd-other");
    assert_eq!(held[1]["previous"], format!("sha256:{}", smdrd::push::parcel::sha256_hex(&canonical(&held[0]))));
    office.snapshot().await;
}

fn canonical(document: &Value) -> Vec<u8> {
    smdrd::aggregate::document::canonical(document).unwrap()
}

#[tokio::test]
async fn a_box_whose_database_was_lost_goes_on_after_its_own_past_unless_that_knew_more() {
    let (mut office, feed) = delivered("2026-11-20", "2026-11-21T06:00:00Z").await;
    // The new database makes the same day, with another time: the supplier has revision 1 already.
    replaced(&mut office, "smdrd-test", "2026-11-20", "2026-11-21T07:00:00Z").await;
    office.push().await;
    assert_eq!(office.only().await, (OutboxState::Receipted, None));
    let held_now = held(&feed, "2026-11-20");
    assert_eq!((held_now.len(), &held_now[1]["revision"]), (2, &Value::from(2)));

    // What the supplier has of a fuller day is not written over.
    let mut fuller = held_now[1].clone();
    fuller["revision"] = 3.into();
    fuller["coverage"]["observed_s"] = 86_400.into();
    fuller["coverage"]["complete"] = true.into();
    let parcel = super::day::parcel(&fuller);
    let (_folder, token) = super::folder();
    let by_other_means = super::client(&feed.https(), &token, Some(&office.authority.file));
    super::receipt(by_other_means.deliver(&parcel).await);
    replaced(&mut office, "smdrd-test", "2026-11-20", "2026-11-21T07:00:00Z").await;
    office.push().await;
    assert_eq!(office.only().await, (OutboxState::Parked, Some(Cause::Conflict)));
    let problems = office.snapshot().await.problems.join("\n");
    assert!(problems.contains("this box may have lost data"), "{problems}");
    assert_eq!(feed.revisions(), 3);
}

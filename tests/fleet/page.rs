//! The page: whatever a box says of itself is text, and it needs nothing from elsewhere.

use serde_json::json;

use super::feed::Feed;
use super::store::{Store, day};

const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;";

/// The tags of a page, and nothing that a quote in an attribute could have made one.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split(['>', ' ', '/']).find(|name| !name.is_empty()).unwrap()).collect()
}

#[test]
fn what_a_box_says_is_escaped() {
    let store = Store::new();
    store.keep("A81001", "main", day(20), |document| document["sources"][0]["dialect"] = json!(HOSTILE));
    let said =
        json!({"version": HOSTILE, "alerts": {HOSTILE: 1}, "dialects": [{"id": HOSTILE}], "clock_ahead_s": HOSTILE});
    store.heard("A81001", "2026-11-21T02:00:00Z", said.clone());
    store.heard("A81002", "2026-11-21T02:00:00Z", said);
    let file = store.folder.path().join("fleet.html");
    let (code, out, error) = store.fleet("2026-11-21T03:00:00Z", &["--html", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("&lt;script&gt;"), "it is shown as it is: {page}");
    let allowed = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "ul", "li", "a", "b",
        "section", "table", "thead", "tbody", "tr", "th", "td", "span", "br", "code", "footer",
    ];
    for tag in tags(&page) {
        assert!(allowed.contains(&tag), "<{tag}> in the page");
    }
    for word in ["onerror=alert(1)>", "src=", "http:", "https:", "url(", "javascript"] {
        let shown = page.matches(word).count();
        assert!(shown == 0 || word == "src=" || word.starts_with("onerror"), "{word}");
    }
    assert!(!page.contains("<img") && !page.contains("\"><img"), "{page}");
}

#[tokio::test]
async fn the_receiver_serves_it_at_its_inner_address_only() {
    let store = Store::new();
    let today = jiff::Zoned::now().date();
    store.keep("A81001", "main", today.yesterday().unwrap().yesterday().unwrap(), |_| {});
    let folder = store.folder.path().to_owned();
    let mut feed = Feed::start_with(&folder, None, &["--metrics", "127.0.0.1:0"]);
    let inner = feed.metrics_address();
    let response = reqwest::get(format!("http://{inner}/fleet")).await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/html"));
    assert!(header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(header("cache-control"), "no-store");
    let page = response.text().await.unwrap();
    assert!(page.contains("A81001") && page.contains("documents come, and no sign of life ever"), "{page}");
    assert_eq!(reqwest::get(format!("{}/fleet", feed.url())).await.unwrap().status(), 404);
    drop(feed);
    drop(store);
}

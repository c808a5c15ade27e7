//! Every sample and capture of every family that has a dialect, cut into lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, date};
use serde_json::Value;
use smdrd::dialect::{Library, Plan};
use smdrd::framing::{Ended, Framer, Settings};
use smdrd::number::NumberPlan;

pub const TODAY: Date = date(2026, 6, 1);

pub struct Sample {
    pub name: String,
    pub plan: Arc<Plan>,
    pub lines: Vec<Vec<u8>>,
}

pub static CORPUS: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let library = Library::shipped();
    let mut all = Vec::new();
    for id in library.ids() {
        let paths: Vec<PathBuf> = ["dialects", "captures"].iter().flat_map(|folder| files(folder, id)).collect();
        assert!(!paths.is_empty(), "{id} has no sample: masking cannot be tested on it");
        for path in paths {
            let plan = Arc::new(library.get(id).unwrap().plan(&options(&path), Some(2024)).unwrap());
            let lines = framed(&plan, &fs::read(&path).unwrap());
            let name = format!("{id}/{}", path.file_name().unwrap().to_string_lossy());
            // A text that only says that there is nothing gives no line.
            if !lines.is_empty() {
                all.push(Sample { name, plan, lines });
            }
        }
    }
    all
});

fn files(folder: &str, dialect: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder).join(dialect);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "smdr"))
        .collect();
    files.sort();
    files
}

fn options(path: &Path) -> BTreeMap<String, String> {
    // How the PBXs of these captures were programmed.
    if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("panasonic-kx-td")) {
        let tda = path.to_string_lossy().contains("-tda");
        return [("date_order".to_owned(), if tda { "DMY" } else { "MDY" }.to_owned())].into();
    }
    if path.file_name().is_some_and(|name| name == "lg-gdk-162.smdr") {
        return [("date_order".to_owned(), "MDY".to_owned())].into();
    }
    let Ok(text) = fs::read(path.with_extension("json")) else { return BTreeMap::new() };
    let pair: Value = serde_json::from_slice(&text).unwrap();
    let options = pair["options"].as_object().cloned().unwrap_or_default();
    options
        .into_iter()
        .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

/// Lines of nothing but control bytes are noise and none of masking's business.
fn framed(plan: &Plan, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), ..Settings::default() });
    let mut lines = Vec::new();
    let mut take = |line: smdrd::framing::Line<'_>| {
        if !(line.bytes.is_empty() && line.stripped > 0) {
            lines.push(line.bytes.to_vec());
        }
    };
    framer.push(bytes, &mut take);
    framer.flush(Ended::EndOfInput, &mut take);
    lines
}

pub fn number_plans() -> Vec<(&'static str, NumberPlan)> {
    let own = vec![("01632960000".into(), "01632960199".into()), ("02079460000".into(), "02079460009".into())];
    vec![
        ("no plan", NumberPlan::default()),
        ("own numbers", NumberPlan { own: own.clone(), ..NumberPlan::default() }),
        ("access digit", NumberPlan { access: vec!["9".into()], ..NumberPlan::default() }),
        (
            "everything",
            NumberPlan {
                own,
                access: vec!["9".into(), "81".into()],
                short_codes: vec!["*21".into(), "1571".into(), "960110".into()],
                ddis: vec!["0063".into(), "8907".into()],
            },
        ),
    ]
}

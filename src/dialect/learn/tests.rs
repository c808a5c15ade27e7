use jiff::civil::date;

use super::*;

fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

fn capture(path: &str) -> Draft {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(path);
    let bytes = std::fs::read(path).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end().to_vec()).collect();
    Draft::new(lines, date(2026, 11, 21)).unwrap()
}

fn told(draft: &Draft) -> String {
    let rows = draft.rows();
    let mut text =
        format!("{} records, {} furniture, {} odd\n", rows.records.len(), rows.furniture.len(), rows.odd.len());
    for column in draft.columns() {
        text += &format!(
            "{:?} {} {} {:?} {:?} {:?} {} {:?} {:?}\n",
            column.place,
            column.name,
            column.kind.word(),
            column.format,
            column.other_formats,
            column.sure,
            column.role.word(),
            column.values.iter().take(5).collect::<Vec<_>>(),
            column.evidence,
        );
    }
    text + &format!("{:?}\n", draft.stamp())
}

#[test]
fn show_all() {
    for path in [
        "siemens-hipath4000/siemens-hicom-250.smdr",
        "panasonic-tes/panasonic-kx-tem824.smdr",
        "panasonic-tes/panasonic-kx-ta616ru.smdr",
        "lg-ipecs/lg-gdk-162.smdr",
        "lg-ipecs/lg-ldk-100-variant-2.smdr",
        "samsung-officeserv/samsung-dcs.smdr",
        "samsung-officeserv/samsung-officeserv-7200.smdr",
        "alcatel-oxo/alcatel-4200.smdr",
        "siemens-hipath3000/siemens-hicom-118.smdr",
        "siemens-hipath3000/siemens-hipath-3750.smdr",
        "ericsson-bp/ericsson-bp-250.smdr",
        "avaya-cm/definity.smdr",
        "panasonic-kx/panasonic-kx-tda100-a.smdr",
        "panasonic-kx/panasonic-kx-td816ru.smdr",
        "avaya-ipoffice/ipo500v2-2017.smdr",
    ] {
        println!("== {path}\n{}", told(&capture(path)));
        println!("{}", capture(path).shown(3).join("\n"));
    }
}

//! Every key there is: what it holds and how it is written. For remedies; `docs/config.md` and `config/smdrd.toml` are
//! held against it by tests.

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Path without indices, such as `source.serial.baud`; `*` stands for any name.
    pub path: &'static str,
    /// What it holds, to go after "wants".
    pub wants: &'static str,
    /// How it is written.
    pub example: &'static str,
}

const fn key(path: &'static str, wants: &'static str, example: &'static str) -> Key {
    Key { path, wants, example }
}

/// All keys, in the order of the reference configuration.
pub const KEYS: &[Key] = &[
    key("state-dir", "a path in quotes", "state-dir = \"/var/lib/smdrd\""),
    key("runtime-dir", "a path in quotes", "runtime-dir = \"/run/smdrd\""),
    key("dialects-dir", "a path in quotes", "dialects-dir = \"/etc/smdrd/dialects\""),
    key("zone", "a time zone's name in quotes", "zone = \"Europe/London\""),
    key("device", "a name in quotes", "device = \"smdrd-riverside\""),
    key("practice", "one table a practice", "[[practice]]"),
    key("practice.ods", "an ODS code in quotes", "ods = \"A81001\""),
    key("practice.site", "a short name in quotes", "site = \"main\""),
    key("practice.ddis", "a list of numbers in quotes", "ddis = [\"960100\", \"960101\"]"),
    key("practice.trunks", "a list of trunks in quotes", "trunks = [\"9002\"]"),
    key("practice.groups", "a list of groups and stations in quotes", "groups = [\"300\"]"),
    key("practice.sources", "a list of source names in quotes", "sources = [\"branch-pbx\"]"),
    key("practice.unmatched", "true or false, without quotes", "unmatched = true"),
    key("practice.features", "a table", "[practice.features]"),
    key("practice.features.callback", "true or false, without quotes", "callback = false"),
    key("practice.features.auto-attendant", "true or false, without quotes", "auto-attendant = false"),
    key("other-tenant", "one table a tenant", "[[other-tenant]]"),
    key("other-tenant.name", "a name in quotes", "name = \"pharmacy\""),
    key("other-tenant.ddis", "a list of numbers in quotes", "ddis = [\"960150\"]"),
    key("other-tenant.trunks", "a list of trunks in quotes", "trunks = [\"9005\"]"),
    key("other-tenant.groups", "a list of groups and stations in quotes", "groups = [\"350\"]"),
    key("other-tenant.sources", "a list of source names in quotes", "sources = [\"branch-pbx\"]"),
    key("other-tenant.unmatched", "true or false, without quotes", "unmatched = true"),
    key("features", "a table", "[features]"),
    key("features.callback", "true or false, without quotes", "callback = false"),
    key("features.auto-attendant", "true or false, without quotes", "auto-attendant = false"),
    key("source", "one table a PBX port", "[[source]]"),
    key("source.name", "a name in quotes", "name = \"reception-pbx\""),
    key("source.dialect", "a dialect's id in quotes", "dialect = \"avaya-ipoffice\""),
    key("source.zone", "a time zone's name in quotes", "zone = \"Europe/London\""),
    key(
        "source.clock-correction",
        "\"none\", \"measured\", or by how much its clock is ahead or behind",
        "clock-correction = \"+00:07:00\"",
    ),
    key("source.silence-minutes", "a whole number of minutes up to 600, without quotes", "silence-minutes = 60"),
    key("source.options", "a table of the dialect's options", "[source.options]"),
    key("source.options.*", "a value in quotes", "date_order = \"dmy\""),
    key("source.roles", "a table", "[source.roles]"),
    key("source.roles.diverted-outside", "\"elsewhere\" or \"staff\"", "diverted-outside = \"staff\""),
    key("source.roles.stations", "a table", "[source.roles.stations]"),
    key("source.roles.stations.*", "a station's role in quotes", "\"300\" = \"hunt-group\""),
    key("source.roles.trunks", "a table", "[source.roles.trunks]"),
    key("source.roles.trunks.*", "a trunk's role in quotes", "\"9005\" = \"tie\""),
    key("source.serial", "a table", "[source.serial]"),
    key("source.serial.path", "the device's path in quotes", "path = \"/dev/serial/by-id/usb-adapter-port0\""),
    key("source.serial.baud", "bits per second, a whole number without quotes", "baud = 9600"),
    key("source.serial.data-bits", "a whole number from 5 to 8, without quotes", "data-bits = 8"),
    key("source.serial.parity", "\"none\", \"even\" or \"odd\"", "parity = \"none\""),
    key("source.serial.stop-bits", "1 or 2, without quotes", "stop-bits = 1"),
    key("source.serial.flow", "\"none\", \"software\" or \"hardware\"", "flow = \"none\""),
    key("source.serial.dtr", "true or false, without quotes", "dtr = true"),
    key("source.serial.rts", "true or false, without quotes", "rts = true"),
    key("source.tcp-connect", "a table", "[source.tcp-connect]"),
    key("source.tcp-connect.host", "a host name or address in quotes", "host = \"192.0.2.10\""),
    key("source.tcp-connect.port", "a port from 1 to 65535, without quotes", "port = 8808"),
    key("source.tcp-connect.standby-host", "a host name or address in quotes", "standby-host = \"192.0.2.11\""),
    key("source.tcp-connect.password-file", "a path in quotes", "password-file = \"/etc/smdrd/pbx-password\""),
    key("source.tcp-listen", "a table", "[source.tcp-listen]"),
    key("source.tcp-listen.address", "an address and a port in quotes", "address = \"0.0.0.0:8808\""),
    key("source.tcp-listen.allow", "a list of addresses in quotes", "allow = [\"192.0.2.10\"]"),
    key("source.tftp", "a table", "[source.tftp]"),
    key("source.tftp.address", "an address and a port in quotes", "address = \"0.0.0.0:6969\""),
    key("source.tftp.allow", "a list of addresses in quotes", "allow = [\"192.0.2.10\"]"),
    key("source.folder", "a table", "[source.folder]"),
    key("source.folder.path", "a path in quotes", "path = \"/run/smdrd/drop\""),
    key("source.folder.settle-seconds", "whole seconds from 1 to 3600, without quotes", "settle-seconds = 10"),
    key("source.relay", "a table", "[source.relay]"),
    key("source.relay.off-site", "true or false, without quotes", "off-site = false"),
    key("source.relay.tcp-connect", "a table", "[source.relay.tcp-connect]"),
    key("source.relay.tcp-connect.host", "a host name or address in quotes", "host = \"192.168.42.20\""),
    key("source.relay.tcp-connect.port", "a port from 1 to 65535, without quotes", "port = 4000"),
    key("source.relay.tcp-listen", "a table", "[source.relay.tcp-listen]"),
    key("source.relay.tcp-listen.address", "an address and a port in quotes", "address = \"0.0.0.0:4000\""),
    key("source.relay.tcp-listen.allow", "a list of addresses in quotes", "allow = [\"192.168.42.20\"]"),
    key("source.relay.serial", "a table", "[source.relay.serial]"),
    key("source.relay.serial.path", "the device's path in quotes", "path = \"/dev/serial/by-id/usb-adapter-port1\""),
    key("source.relay.serial.baud", "bits per second, a whole number without quotes", "baud = 9600"),
    key("source.relay.serial.data-bits", "a whole number from 5 to 8, without quotes", "data-bits = 8"),
    key("source.relay.serial.parity", "\"none\", \"even\" or \"odd\"", "parity = \"none\""),
    key("source.relay.serial.stop-bits", "1 or 2, without quotes", "stop-bits = 1"),
    key("source.relay.serial.flow", "\"none\", \"software\" or \"hardware\"", "flow = \"none\""),
    key("source.relay.serial.dtr", "true or false, without quotes", "dtr = true"),
    key("source.relay.serial.rts", "true or false, without quotes", "rts = true"),
    key("roles", "a table", "[roles]"),
    key("roles.diverted-outside", "\"elsewhere\" or \"staff\"", "diverted-outside = \"staff\""),
    key("roles.stations", "a table", "[roles.stations]"),
    key("roles.stations.*", "a station's role in quotes", "\"300\" = \"hunt-group\""),
    key("roles.trunks", "a table", "[roles.trunks]"),
    key("roles.trunks.*", "a trunk's role in quotes", "\"9005\" = \"tie\""),
    key("numbers", "a table", "[numbers]"),
    key("numbers.own", "a list of numbers and ranges in quotes", "own = [\"01632960100-01632960199\"]"),
    key("numbers.access-digits", "a list of digits in quotes", "access-digits = [\"9\"]"),
    key("numbers.short-codes", "a list of short codes in quotes", "short-codes = [\"*21\"]"),
    key("privacy", "a table", "[privacy]"),
    key("privacy.linkage", "\"none\" or \"day\"", "linkage = \"day\""),
    key("privacy.hold-unparsed", "true or false, without quotes", "hold-unparsed = true"),
    key("supplier", "a table", "[supplier]"),
    key("supplier.url", "an https address in quotes", "url = \"https://feed.supplier.example\""),
    key("supplier.auth", "\"bearer\", \"signature\" or \"mtls\"", "auth = \"signature\""),
    key("supplier.token-file", "a path in quotes", "token-file = \"/etc/smdrd/supplier-token\""),
    key("supplier.device-key", "a path in quotes", "device-key = \"/var/lib/smdrd/device-key.pem\""),
    key("supplier.client-cert", "a path in quotes", "client-cert = \"/etc/smdrd/client-cert.pem\""),
    key("supplier.client-key", "a path in quotes", "client-key = \"/etc/smdrd/client-key.pem\""),
    key("supplier.ca-file", "a path in quotes", "ca-file = \"/etc/smdrd/supplier-ca.pem\""),
    key("supplier.proxy", "an http address in quotes", "proxy = \"http://proxy.example:3128\""),
    key("supplier.proxy-credentials-file", "a path in quotes", "proxy-credentials-file = \"/etc/smdrd/proxy\""),
    key("supplier.approve", "true or false, without quotes", "approve = false"),
    key("retention", "a table", "[retention]"),
    key("retention.call-days", "a whole number of days from 8 to 400, without quotes", "call-days = 45"),
    key("disk", "a table", "[disk]"),
    key("disk.budget-mib", "a whole number of MiB from 8 to 1048576, without quotes", "budget-mib = 1024"),
    key("disk.reserve-mib", "a whole number of MiB up to 1024, without quotes", "reserve-mib = 16"),
    key("alerts", "a table", "[alerts]"),
    key("alerts.webhook", "an https address in quotes", "webhook = \"https://alerts.practice.example/smdrd\""),
    key("alerts.webhook-token-file", "a path in quotes", "webhook-token-file = \"/etc/smdrd/alerts-token\""),
    key("alerts.ca-file", "a path in quotes", "ca-file = \"/etc/smdrd/alerts-ca.pem\""),
    key("alerts.mail", "a table", "[alerts.mail]"),
    key("alerts.mail.to", "a list of mail addresses in quotes", "to = [\"reception@practice.example\"]"),
    key("alerts.mail.from", "a mail address in quotes", "from = \"smdrd@practice.example\""),
    key("alerts.mail.server", "a name in quotes", "server = \"smtp.practice.example\""),
    key("alerts.mail.port", "a port from 1 to 65535, without quotes", "port = 587"),
    key("alerts.mail.security", "\"tls\", \"starttls\" or \"none-on-loopback\"", "security = \"starttls\""),
    key("alerts.mail.user", "text in quotes", "user = \"smdrd\""),
    key("alerts.mail.password-file", "a path in quotes", "password-file = \"/etc/smdrd/alerts-password\""),
];

/// The key at `path`, which may hold indices (`source[0].serial.baud`).
pub fn find(path: &str) -> Option<&'static Key> {
    let plain = without_indices(path);
    let matches = |key: &&Key| match key.path.strip_suffix('*') {
        Some(table) => plain.strip_prefix(table).is_some_and(|name| !name.is_empty()),
        None => key.path == plain,
    };
    KEYS.iter().find(matches)
}

/// The tables in which a key of this name belongs.
pub fn homes(name: &str) -> Vec<&'static str> {
    let home = |key: &'static Key| match key.path.rsplit_once('.') {
        Some((table, last)) => (last == name).then_some(table),
        None => (key.path == name).then_some(""),
    };
    KEYS.iter().filter_map(home).collect()
}

/// `source[0].serial` as `source.serial`.
pub fn without_indices(path: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// The table header that `table` (`source.serial`, or nothing for the top) is written under.
pub fn header(table: &str) -> String {
    match table {
        "" => "the top of the file, before the first [table]".to_owned(),
        "practice" | "source" | "other-tenant" => format!("[[{table}]]"),
        _ => format!("[{table}]"),
    }
}

/// The candidate nearest to `word`, when it is near enough to be a slip of the pen.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let near = candidates.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (steps, candidate) = near.min_by_key(|(steps, _)| *steps)?;
    (steps <= 2 && steps * 2 < word.chars().count().max(3)).then_some(candidate)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let change = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (rows[i - 1][j - 1] + change).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_path() {
        assert_eq!(find("source[3].serial.baud").unwrap().example, "baud = 9600");
        assert_eq!(find("source[0].tcp-listen.allow[2]").unwrap().path, "source.tcp-listen.allow");
        assert_eq!(find("roles.stations.200").unwrap().path, "roles.stations.*");
        assert!(find("source[0].badu").is_none());
        assert_eq!(homes("token-file"), ["supplier"]);
        assert_eq!(homes("zone"), ["", "source"]);
    }

    #[test]
    fn only_slips_of_the_pen_are_near() {
        let keys = ["path", "baud", "data-bits", "parity"];
        assert_eq!(nearest("badu", keys), Some("baud"));
        assert_eq!(nearest("data_bits", keys), Some("data-bits"));
        assert_eq!(nearest("Baud", keys), Some("baud"));
        assert_eq!(nearest("speed", keys), None);
        assert_eq!(nearest("x", keys), None);
    }
}

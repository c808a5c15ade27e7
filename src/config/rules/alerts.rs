//! Whom alerts go to.

use lettre::message::Mailbox;
use reqwest::Url;

use crate::config::check::Findings;
use crate::config::{Alerts, Config, Mail, MailSecurity};

pub fn check(config: &Config, findings: &mut Findings<'_>) {
    let Some(alerts) = config.alerts.as_ref().map(|alerts| alerts.get_ref()) else { return };
    if alerts.webhook.is_none() && alerts.mail.is_none() {
        let remedy = "add `webhook`, or [alerts.mail] below it, or take the table out: the journal has alerts anyway";
        findings.warn("alerts", "nobody is named whom alerts go to", remedy);
    }
    match &alerts.webhook {
        Some(written) => webhook(written.get_ref(), findings),
        None if alerts.webhook_token_file.is_some() => {
            let remedy = "name the address with `webhook`, or take this out";
            findings.fault("alerts.webhook-token-file", "a token, and no webhook", remedy);
        }
        None => {}
    }
    if let Some(sent) = &alerts.mail {
        mail(sent.get_ref(), findings);
    }
    files(alerts, findings);
}

fn files(alerts: &Alerts, findings: &mut Findings<'_>) {
    let password = alerts.mail.as_ref().and_then(|mail| mail.get_ref().password_file.as_ref());
    for (key, file) in [
        ("webhook-token-file", alerts.webhook_token_file.as_ref()),
        ("ca-file", alerts.ca_file.as_ref()),
        ("mail.password-file", password),
    ] {
        if file.is_some_and(|file| !file.is_absolute()) {
            let remedy = "name the file by its full path; the secret itself does not belong here";
            let remedy = if key == "ca-file" { "name the file by its full path" } else { remedy };
            findings.fault(&format!("alerts.{key}"), "not an absolute path", remedy);
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn webhook(written: &str, findings: &mut Findings<'_>) {
    let mut fault = |reason: &str, remedy: &str| findings.fault("alerts.webhook", reason, remedy);
    let url = match Url::parse(written) {
        Ok(url) => url,
        Err(reason) => {
            let remedy = "write it in full, such as \"https://alerts.practice.example/smdrd\"";
            return fault(&format!("not a URL: {reason}"), remedy);
        }
    };
    match url.scheme() {
        "https" => {}
        "http" if url.host_str().is_some_and(is_this_machine) => {}
        "http" => fault("without TLS, everything on the way could read and change it", "write https://"),
        _ => return fault("neither https nor a receiver on this machine", "begin it with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = "take them out; a token goes into the file that `webhook-token-file` names";
        fault("a name and password in the URL", remedy);
    }
}

fn mail(mail: &Mail, findings: &mut Findings<'_>) {
    let remedy = "write it as \"reception@practice.example\"";
    if mail.to.is_empty() {
        findings.fault("alerts.mail.to", "nobody to send to", "write to = [\"reception@practice.example\"]");
    }
    for (index, to) in mail.to.iter().enumerate() {
        if let Err(reason) = to.get_ref().parse::<Mailbox>() {
            findings.fault(&format!("alerts.mail.to[{index}]"), format!("not a mail address: {reason}"), remedy);
        }
    }
    if let Err(reason) = mail.from.get_ref().parse::<Mailbox>() {
        findings.fault("alerts.mail.from", format!("not a mail address: {reason}"), remedy);
    }
    let server = mail.server.get_ref();
    if server.is_empty() || server.contains(|c: char| c.is_whitespace() || c == '/' || c == ':') {
        let remedy = "write the name alone, such as \"smtp.practice.example\"; the port goes into `port`";
        findings.fault("alerts.mail.server", "not a server's name", remedy);
    } else if mail.security == MailSecurity::NoneOnLoopback && !is_this_machine(server) {
        let remedy = "write \"starttls\" or \"tls\"; without either, only a mail server on this machine is spoken to";
        findings.fault("alerts.mail.security", "mail would go through the network in the clear", remedy);
    }
    if mail.user.is_none() && mail.password_file.is_some() {
        let remedy = "add `user`, or take this out";
        findings.fault("alerts.mail.password-file", "a password, and no user", remedy);
    }
}

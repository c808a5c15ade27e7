//! A box whose alerts go to a webhook and to a mail server of the test's own.

use super::authority::Authority;
use super::hook::Hook;
use super::post_office::PostOffice;
use super::rig::{Pbx, Rig, SITE, free_port, private_file};

pub struct BoxOffice {
    pub rig: Rig,
    pub authority: Authority,
    pub ports: (u16, u16),
}

impl BoxOffice {
    pub fn new(pbxs: &[Pbx]) -> BoxOffice {
        let rig = Rig::new(SITE, pbxs);
        let authority = Authority::new(rig.dir.path(), "authority");
        private_file(&rig.path("hook-token"), "token-of-the-hook\n");
        private_file(&rig.path("mail-password"), "correct-horse\n");
        BoxOffice { rig, authority, ports: (free_port(), free_port()) }
    }

    /// Alerts go to both, in the configuration.
    pub fn alerts(&mut self) {
        self.rig.supplier = self.table("starttls");
    }

    pub fn table(&self, security: &str) -> String {
        let path = |name: &str| self.rig.path(name).display().to_string();
        format!(
            "[alerts]\nwebhook = \"https://localhost:{}/practice/smdrd\"\nwebhook-token-file = {:?}\nca-file = {:?}\n\
             [alerts.mail]\nto = [\"reception@practice.example\", \"Help <help@supplier.example>\"]\n\
             from = \"smdrd@practice.example\"\nserver = \"localhost\"\nport = {}\nsecurity = {security:?}\n\
             user = \"smdrd\"\npassword-file = {:?}\n",
            self.ports.0,
            path("hook-token"),
            self.authority.file.display().to_string(),
            self.ports.1,
            path("mail-password"),
        )
    }

    pub fn hook(&self) -> Hook {
        Hook::open(self.ports.0, &self.authority.identity("localhost"))
    }

    pub fn post_office(&self) -> PostOffice {
        PostOffice::open(self.ports.1, &self.authority.identity("localhost"))
    }
}

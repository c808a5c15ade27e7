//! Enough of Rust's notation to see which words a file uses: comments, literals and test modules are left out.

use std::path::Path;

/// A word or a sign of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As written; `::` is one token.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    }
}

/// Every Rust file below `src`, with its path from there; a module's tests in a `tests.rs` of their own are left out.
pub fn read_sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The words and signs of `text` outside comments, literals and `#[cfg(test)]` items.
pub fn tokens(text: &str) -> Vec<Token> {
    without_tests(lex(text))
}

/// Line and content of each attribute named one of `names`, outside tests.
pub fn lines_of(text: &str, names: &[&str]) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let open = at + 1 + usize::from(tokens.get(at + 1).is_some_and(|token| token.is("!")));
        if tokens[at].is("#")
            && tokens.get(open).is_some_and(|token| token.is("["))
            && tokens.get(open + 1).is_some_and(|token| names.contains(&token.text.as_str()))
        {
            let inside: String = (tokens[open + 2..].iter().take_while(|token| !token.is("]")))
                .filter(|token| !token.is("(") && !token.is(")"))
                .map(|token| token.text.as_str())
                .collect();
            found.push((tokens[at].line, inside));
        }
    }
    found
}

fn lex(text: &str) -> Vec<Token> {
    let c: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut tokens) = (0, 1, Vec::new());
    let word = |c: char| c.is_alphanumeric() || c == '_';
    while at < c.len() {
        let begun = at;
        let next = |offset: usize| c.get(at + offset).copied().unwrap_or('\0');
        match c[at] {
            '/' if next(1) == '/' => at += c[at..].iter().take_while(|&&c| c != '\n').count(),
            '/' if next(1) == '*' => at = after_comment(&c, at),
            '"' => at = after_string(&c, at),
            'b' | 'c' if next(1) == '"' => at = after_string(&c, at + 1),
            'r' if raw(&c, at + 1) => at = after_raw(&c, at + 1),
            'b' | 'c' if next(1) == 'r' && raw(&c, at + 2) => at = after_raw(&c, at + 2),
            // A character, or a lifetime: 'a' closes after one character or an escape.
            '\'' if next(1) == '\\' => at += 3 + c[at + 3..].iter().take_while(|&&c| c != '\'').count() + 1,
            '\'' if next(2) == '\'' => at += 3,
            '\'' => at += 1,
            ':' if next(1) == ':' => {
                tokens.push(Token { text: "::".to_owned(), line });
                at += 2;
            }
            first if word(first) => {
                at += c[at..].iter().take_while(|&&c| word(c)).count();
                tokens.push(Token { text: c[begun..at].iter().collect(), line });
            }
            blank if blank.is_whitespace() => at += 1,
            sign => {
                tokens.push(Token { text: sign.to_string(), line });
                at += 1;
            }
        }
        at = at.min(c.len());
        line += c[begun..at].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

fn after_comment(c: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < c.len() {
        match (c[at], c.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_string(c: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < c.len() && c[at] != '"' {
        at += if c[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw(c: &[char], at: usize) -> bool {
    let hashes = c[at.min(c.len())..].iter().take_while(|&&c| c == '#').count();
    c.get(at + hashes) == Some(&'"')
}

fn after_raw(c: &[char], at: usize) -> usize {
    let hashes = c[at..].iter().take_while(|&&c| c == '#').count();
    let mut end = at + hashes + 1;
    while end < c.len() {
        if c[end] == '"' && c[end + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return end + 1 + hashes;
        }
        end += 1;
    }
    end
}

/// Takes `#[cfg(test)]` and the item behind it out.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    while at < tokens.len() {
        let marked = mark.iter().enumerate().all(|(offset, text)| tokens.get(at + offset).is_some_and(|t| t.is(text)));
        if !marked {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // To the end of the item: a semicolon or a closed block, outside brackets.
        let mut depth = 0;
        at += mark.len();
        while at < tokens.len() {
            let token = tokens[at].text.as_str();
            at += 1;
            match token {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token, ";" | "}") {
                break;
            }
        }
    }
    kept
}

//! A small generator of numbers, the same in every run with the same seed.

/// Knuth's linear congruential generator, of which the upper bits are given out.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed);
        // Small seeds begin alike.
        random.next();
        random
    }

    /// The seed that the environment variable `name` gives, or this one.
    pub fn from_env(name: &str, seed: u64) -> Random {
        let seed = number_from_env(name, seed);
        eprintln!("{name}={seed}");
        Random::new(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// The number in an environment variable, or this one.
pub fn number_from_env(name: &str, number: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return number };
    text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number"))
}

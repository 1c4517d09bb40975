//! Addresses and networks.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};
use pintle_object::field::quote;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const FUNCTIONS: &[Function] = &[
    function("ip", "string=IP!parse;.CIDR=IP", |given| match given {
        [Value::Text(text)] => parse_ip(text).map(Value::Ip).map_err(|error| Error::new(error.to_string())),
        [Value::Cidr(ip, _)] => Ok(Value::Ip(*ip)),
        _ => Err(Error::no_overload()),
    }),
    function("isIP", "string=bool!parse", |given| match given {
        [Value::Text(text)] => Ok(Value::Bool(parse_ip(text).is_ok())),
        _ => Err(Error::no_overload()),
    }),
    function("ip.isCanonical", "string=bool!parsetwice", |given| match given {
        [Value::Text(text)] => {
            let is_canonical = |ip: IpAddr| Value::Bool(ip.to_string() == **text);
            parse_ip(text).map(is_canonical).map_err(|error| Error::new(error.to_string()))
        }
        _ => Err(Error::no_overload()),
    }),
    function("family", ".IP=int", |given| match given {
        [Value::Ip(ip)] => Ok(Value::Int(if ip.is_ipv4() { 4 } else { 6 })),
        _ => Err(Error::no_overload()),
    }),
    function("isUnspecified", ".IP=bool", |given| test(given, IpAddr::is_unspecified)),
    function("isLoopback", ".IP=bool", |given| test(given, IpAddr::is_loopback)),
    function("isLinkLocalMulticast", ".IP=bool", |given| test(given, is_link_local_multicast)),
    function("isLinkLocalUnicast", ".IP=bool", |given| test(given, is_link_local_unicast)),
    function("isGlobalUnicast", ".IP=bool", |given| test(given, is_global_unicast)),
    function("cidr", "string=CIDR!parse", |given| match given {
        [Value::Text(text)] => {
            let found = parse_cidr(text).map(|(ip, len)| Value::Cidr(ip, len));
            found.map_err(|why| {
                Error::new(format!("network address parse error during conversion from string: {why}"))
            })
        }
        _ => Err(Error::no_overload()),
    }),
    function("isCIDR", "string=bool!parse", |given| match given {
        [Value::Text(text)] => Ok(Value::Bool(parse_cidr(text).is_ok())),
        _ => Err(Error::no_overload()),
    }),
    function("containsIP", ".CIDR,string=bool!containsiptext;.CIDR,IP=bool!containsip", contains_ip),
    function(
        "containsCIDR",
        ".CIDR,string=bool!containscidrtext;.CIDR,CIDR=bool!containscidr",
        contains_cidr,
    ),
    function("prefixLength", ".CIDR=int", |given| match given {
        [Value::Cidr(_, len)] => Ok(Value::Int(i64::from(*len))),
        _ => Err(Error::no_overload()),
    }),
    function("masked", ".CIDR=CIDR", |given| match given {
        [Value::Cidr(ip, len)] => Ok(Value::Cidr(masked(*ip, *len), *len)),
        _ => Err(Error::no_overload()),
    }),
];

fn test<'a>(given: &[Value<'a>], fits: fn(&IpAddr) -> bool) -> Outcome<'a> {
    match given {
        [Value::Ip(ip)] => Ok(Value::Bool(fits(ip))),
        _ => Err(Error::no_overload()),
    }
}

fn is_link_local_multicast(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_link_local_unicast(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_global_unicast(ip: &IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(is_broadcast
        || ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_multicast()
        || is_link_local_unicast(ip))
}

/// The fault of a text that is no address or network.
enum AddressError {
    Address {
        text: String,
        why: &'static str,
    },
    Zone(String),
    /// An IPv4 address in the form of an IPv6 one.
    Mapped(String),
    Network {
        text: String,
        why: &'static str,
    },
    /// The length of a prefix is no number.
    Bits {
        text: String,
        len: String,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = "network address parse error during conversion from string: netip.ParsePrefix";
        match self {
            AddressError::Address { text, why } => {
                let quoted = quote(text);
                write!(
                    f,
                    "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): {why}"
                )
            }
            AddressError::Zone(text) => {
                write!(f, "IP address {} with zone value is not allowed", quote(text))
            }
            AddressError::Mapped(text) => {
                write!(f, "IPv4-mapped IPv6 address {} is not allowed", quote(text))
            }
            AddressError::Network { text, why } => write!(f, "{network}({}): {why}", quote(text)),
            AddressError::Bits { text, len } => {
                write!(f, "{network}({}): bad bits after slash: {}", quote(text), quote(len))
            }
        }
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, AddressError> {
    let index = text.find(['.', ':', '%']);
    let kind = index.and_then(|index| text.get(index..=index));
    let why = match kind {
        Some(".") => match text.parse::<Ipv4Addr>() {
            Ok(ip) => return Ok(IpAddr::V4(ip)),
            Err(_) => why_no_v4(text),
        },
        Some(":") => {
            let plain = text.split_once('%').map_or(text, |(plain, _)| plain);
            match plain.parse::<Ipv6Addr>() {
                Ok(_) if plain.len() < text.len() => {
                    return Err(AddressError::Zone(text.to_owned()));
                }
                Ok(ip) if ip.to_ipv4_mapped().is_some() => {
                    return Err(AddressError::Mapped(text.to_owned()));
                }
                Ok(ip) => return Ok(IpAddr::V6(ip)),
                Err(_) => "unable to parse IP",
            }
        }
        Some(_) => "missing IPv6 address",
        None => "unable to parse IP",
    };
    Err(AddressError::Address { text: text.to_owned(), why })
}

fn why_no_v4(text: &str) -> &'static str {
    let mut fields = 0;
    for field in text.split('.') {
        fields += 1;
        let is_number = field.bytes().all(|byte| byte.is_ascii_digit());
        if field.is_empty() {
            return "IPv4 field must have at least one digit";
        } else if !is_number {
            return "unexpected character";
        } else if field.len() > 1 && field.starts_with('0') {
            return "IPv4 field has octet with leading zero";
        } else if field.parse::<u8>().is_err() {
            return "IPv4 field has value >255";
        } else if fields > 4 {
            return "IPv4 address too long";
        }
    }
    "IPv4 address too short"
}

fn parse_cidr(text: &str) -> Result<(IpAddr, u8), AddressError> {
    let bad = |why| AddressError::Network { text: text.to_owned(), why };
    let (address, len) = text.rsplit_once('/').ok_or_else(|| bad("no '/'"))?;
    let ip: IpAddr = address.parse().map_err(|_| bad("unable to parse IP"))?;
    let is_plain = len.bytes().all(|byte| byte.is_ascii_digit()) && (len.len() == 1 || !len.starts_with('0'));
    let bad_len = || AddressError::Bits { text: text.to_owned(), len: len.to_owned() };
    let bits: u8 = Some(len).filter(|_| is_plain).and_then(|len| len.parse().ok()).ok_or_else(bad_len)?;
    if bits > if ip.is_ipv4() { 32 } else { 128 } {
        return Err(bad("prefix length out of range"));
    }
    match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Err(AddressError::Mapped(text.to_owned())),
        ip => Ok((ip, bits)),
    }
}

fn masked(ip: IpAddr, len: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(ip) & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) & mask))
        }
    }
}

fn contains(network: IpAddr, len: u8, ip: IpAddr) -> bool {
    network.is_ipv4() == ip.is_ipv4() && masked(network, len) == masked(ip, len)
}

fn contains_ip<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (network, len, ip) = match given {
        [Value::Cidr(network, len), Value::Ip(ip)] => (*network, *len, *ip),
        // A text that is no address counts as one of a wrong type.
        [Value::Cidr(network, len), Value::Text(text)] => {
            (*network, *len, parse_ip(text).map_err(|_| Error::no_overload())?)
        }
        _ => return Err(Error::no_overload()),
    };
    Ok(Value::Bool(contains(network, len, ip)))
}

fn contains_cidr<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (network, len, other) = match given {
        [Value::Cidr(network, len), Value::Cidr(ip, bits)] => (*network, *len, (*ip, *bits)),
        [Value::Cidr(network, len), Value::Text(text)] => {
            (*network, *len, parse_cidr(text).map_err(|_| Error::no_overload())?)
        }
        _ => return Err(Error::no_overload()),
    };
    Ok(Value::Bool(len <= other.1 && contains(network, len, other.0)))
}

//! Example keys printed in RFCs: everybody has their private halves, so they are never accepted (spec, section 3.1).

use base64ct::{Base64UrlUnpadded, Encoding};

use super::Thumbprint;

/// Where the key is printed, and its thumbprint.
const PUBLISHED: [(&str, &str); 12] = [
    ("RFC 8032 section 7.1, TEST 1; RFC 8037 appendix A", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ("RFC 8032 section 7.1, TEST 2", "FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk"),
    ("RFC 8032 section 7.1, TEST 3", "FVV5umTuau890q59V-4Ga_R6qWb7ON_ivJc4EjvCwTM"),
    ("RFC 8032 section 7.1, TEST 1024", "lZI1vM7tnlYapaF5-cy86ptx0tT_8Av721hhiNB5ti4"),
    ("RFC 8032 section 7.1, TEST SHA(abc)", "iiDHHfFVNG6ICMUTsicgrWf1igtFYZEK73xlobt1ah4"),
    ("RFC 9421 appendix B.1.3, test-key-ecc-p256", "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI"),
    ("RFC 9421 appendix B.1.4, test-key-ed25519", "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"),
    ("RFC 6979 appendix A.2.5", "DOvxvJiAdIqVWIkFt5hDtCunXLF0BV4-JGv4f-ALSm0"),
    ("RFC 7515 appendix A.3", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"),
    ("RFC 7517 appendix A.1", "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"),
    ("RFC 7800 section 3.2", "gNVUILmGM8X02lmcIVmHKnjrJlfhXYf0Zi8dWhyXGWs"),
    ("RFC 9449 section 4.1", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
];

pub(super) fn is_published(thumbprint: &Thumbprint) -> bool {
    let mut text = [0; 43];
    let text = Base64UrlUnpadded::encode(thumbprint.as_bytes(), &mut text).unwrap_or_default();
    PUBLISHED.iter().any(|(_, known)| *known == text)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::super::{Algorithm, Point, SigningKey, VerifyingKey};
    use super::*;
    use crate::Code;

    fn base64url(text: &str) -> [u8; 32] {
        Base64UrlUnpadded::decode_vec(text).unwrap().try_into().unwrap()
    }

    fn hex(text: &str) -> [u8; 32] {
        core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// The private halves, in the order of the table, as the RFCs print them.
    #[test]
    fn private_keys_printed_in_rfcs_are_refused() {
        let ed25519 = [
            hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
            hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
            hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
            hex("f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5"),
            hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"),
            base64url("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"),
        ];
        let p256 = [
            base64url("UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs"),
            hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"),
        ];
        let keys = ed25519
            .map(|key| (Algorithm::Ed25519, key))
            .into_iter()
            .chain(p256.map(|key| (Algorithm::P256, key)));
        for (algorithm, key) in keys {
            assert_eq!(SigningKey::from_bytes(algorithm, &key).unwrap_err().code(), Code::KeyRefused);
        }
    }

    #[test]
    fn public_keys_printed_in_rfcs_are_refused() {
        for (x, y, at) in [
            ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", 8),
            ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", 9),
            (
                "18wHLeIgW9wVN6VD1Txgpqy2LszYkMf6J8njVAibvhM",
                "-V4dS4UaLMgP_4fY4j8ir7cl1TXlFdAgcx55o7TkcSA",
                10,
            ),
            (
                "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
                11,
            ),
        ] {
            let (x, y) = (base64url(x), base64url(y));
            assert_eq!(Point::p256(&x, &y).unwrap().thumbprint().to_string(), PUBLISHED[at].1);
            assert_eq!(VerifyingKey::p256(&x, &y).unwrap_err().code(), Code::KeyRefused);
        }
    }
}

/// PEM files made by openssl for these tests; nobody has the private keys.
enum KeyFiles {
  /// SHA-384 of the little-endian modulus of `rsa3072`, by openssl and Python.
  static let rsa3072Pin =
    "6e19750b9a6c658d6ba1158df8104d08a1a9beb9beecb8cb0ed3643300dd94956c3747ecb12e15261cbf8ea518c6ed7a"

  /// RSA-3072, e = 65537, SubjectPublicKeyInfo.
  static let rsa3072 = """
    -----BEGIN PUBLIC KEY-----
    MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEA1ItmHsArZOoT5Vc/gi+P
    NnJcX7YIjMu4lyxKowqclJhMUYJV6P7H/E7CHlZ4X2qWQD2nmYngc1UrAOh4qvqB
    64um/KHGIoywgEVC64iSOBvoA8ZW48jdRyrfZZOxOVeg7Di8aIKO8RiuKVDz6pzB
    tba89EhYE/DuGLWZtpqQIFN3YoOLGcHVD/pFFE0bNSQ9j8FQDGoRwHTahHuYXEa+
    C8iSkWH50go/6EVIe9FhpA/vf6QMcoNY71uz/nfGokweD23HonQrdgWunW8eXbua
    n9+dcgikTtaJQx0UKI7anPr5482hsGm3A+6k2MbWl0ZQG9tVY8HBsU1gl7ierxwU
    xujObdQBNZUZPaj8RP73+PRwE3mhAaGM4k0fBwyTVP2/2KER/jhYf4PpDGLSxXDO
    C0z1smCfQAEzV+O6SelSjG2khJGxaFaWv9Pob7F6oEgkT43RnDMWbRDO6LmpZere
    PvCO+xyN4R54yLVzK0gUIoyls07H1nYLHA8Qrr1pSeafAgMBAAE=
    -----END PUBLIC KEY-----
    """

  /// The same key in PKCS#1.
  static let rsa3072PKCS1 = """
    -----BEGIN RSA PUBLIC KEY-----
    MIIBigKCAYEA1ItmHsArZOoT5Vc/gi+PNnJcX7YIjMu4lyxKowqclJhMUYJV6P7H
    /E7CHlZ4X2qWQD2nmYngc1UrAOh4qvqB64um/KHGIoywgEVC64iSOBvoA8ZW48jd
    RyrfZZOxOVeg7Di8aIKO8RiuKVDz6pzBtba89EhYE/DuGLWZtpqQIFN3YoOLGcHV
    D/pFFE0bNSQ9j8FQDGoRwHTahHuYXEa+C8iSkWH50go/6EVIe9FhpA/vf6QMcoNY
    71uz/nfGokweD23HonQrdgWunW8eXbuan9+dcgikTtaJQx0UKI7anPr5482hsGm3
    A+6k2MbWl0ZQG9tVY8HBsU1gl7ierxwUxujObdQBNZUZPaj8RP73+PRwE3mhAaGM
    4k0fBwyTVP2/2KER/jhYf4PpDGLSxXDOC0z1smCfQAEzV+O6SelSjG2khJGxaFaW
    v9Pob7F6oEgkT43RnDMWbRDO6LmpZerePvCO+xyN4R54yLVzK0gUIoyls07H1nYL
    HA8Qrr1pSeafAgMBAAE=
    -----END RSA PUBLIC KEY-----
    """

  /// RSA-1024.
  static let rsa1024 = """
    -----BEGIN PUBLIC KEY-----
    MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCkYHEdM9QSJyqKiv+tBes50Qzj
    97o8fi4C32MvBsC3kecOikXU1nvkKcakHnLh60jxMIYT9B8gz9oTigBguo2tUU5+
    jdwgOBdpWUCcAWiu1bZ1WixGz18AjzYwr1GQ458Y768xK8QM+3Njjgy/XfwXFgur
    0aQWoZn7x/HenEw/FwIDAQAB
    -----END PUBLIC KEY-----
    """

  /// RSA-2048.
  static let rsa2048 = """
    -----BEGIN PUBLIC KEY-----
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA6IkodkzAtb7ASRYlHOX+
    +NqIi27X46KFI/jq22DbzufatjgY4YzeUOTDW0Kccu+Jlb8VBCw8olgpfIlGgsdg
    FcZqqpqp62BeZNyIXZ4rwbzyCSlD+bqAFvyShBnQC3k2/s7vpNgm2mxGslhDR+Id
    feOYVvRwXS7b9qKQVGnKGElrYnhOfIrk6IgxyPeLDQKvUZAYna4LCal+rX+/8fJA
    FanbQFyh7+drVa0PKXOdgFKZf6Hvt2VRS1EhfTZdhtJw9+m4VLKyBLycs70ZX2/Z
    abnPen0yvVm7gLEXpxhhoYXBt2276avtyu0ig4YdnWMD1MmvORSN1550mTT/lusa
    owIDAQAB
    -----END PUBLIC KEY-----
    """

  /// RSA-4096.
  static let rsa4096 = """
    -----BEGIN PUBLIC KEY-----
    MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAmK9EVkAfb3STQjXurDbO
    cvr1Vtoe++5yRLpA8VREDIZ0VkUMS7jRxrRJJW4X6FhENW7huUAgzxcACm+3bHiz
    zhLHS5QL8M12UxyVyxYkDKy8k3kRgQJ3lMvtqfBUWOE0CWNJ7768uGK50iORotzF
    xfF2gwUfQun//rVzjZ+J9la5YCyoJ2V3jP62/2/95o/D/JXqPl7Sj1UkcGOYwCWd
    rgFYrsYnc06KYcy9jLvBHRFcOmkzWckNFub9UykQp1aySlgXQyl+7OKdUX5wJwNx
    EuJd9ESofkMoU3fBXydkrW59xwI1tzRSNT5RDbg2nhPAgZLy2E0ISDBGZTQ5sMyn
    4LQkMUmpTrsdj3jqg8CGA10MrI1DDiZxzd3vaEvVMv/4+Njlw4V723MQUJ1Dwk/B
    i6a7IylGPHEHwQBZL/N34MVl3nIb6Naq6T3dZCFjioYL0fwoBC9Set4EQ6p90fYd
    WD1zKYN6puOtHGqkqXi5YM6L2brEXaUzkHiiNr/Aku+NbV3o5rgIwVoMjNCqI7Gk
    kEsmdmFJoCa8yJyy2Klr9Aq9kH10hkUUBse+4ExdUJJq/4C88afN7TOv5YKJMUvK
    z3r6YVeICjv9B3MSk9IDX9Di/w/qGZBOWKeO1xseG1D0x5zZ5t/4MHMDxttse+Yo
    QDMgdY0StaeS+ItGAiGKbFsCAwEAAQ==
    -----END PUBLIC KEY-----
    """

  /// RSA-3072, e = 3.
  static let exponent3 = """
    -----BEGIN PUBLIC KEY-----
    MIIBoDANBgkqhkiG9w0BAQEFAAOCAY0AMIIBiAKCAYEAu/yIomCpHokKq5rSedyL
    FAcmPF+0gqIiCBfMJxNxYTwlSwMBFytQb8Aj6nTSTfir8kHySHkO/QFCdYgVPmyu
    BENVIvYaaa3MrEXLN8nmEcEJiZpygL16lH2ujZAv6K8IFCqVXXBuLHKmkH2fDM71
    DEL//nsvl7ZwUjLnP662ycuxl4EZpoT6JfQpPurxO1zy1ZL0rG/itjJen5Owcd3s
    z35rrw4aXwIjIyM1VQo+RO4X4xHom4QAALOzSqmK9SkEf2VM03hGJCyKS9WpDBw9
    wq3ft8fvVwkFQNSRAlJMti7u4AB6HMAxUfh6If91kI0dNpkq9ZbifI3TGYhkaqag
    q0/n9SmwV+Pd5cgwNFldUPsnHLD734unU0svVdioPqKw7ee4pOAImuxIVuXrtzSA
    Oq+IcEQWa/jaLWtK0NW+ZkL5QQaV4I8+J5WAHwMspSizOBQkACLrIno+lrZTtOev
    p/tVeQh7L/MaWhTUbV3PEAHj5XAo2g3orI3sx5sGaCwvAgED
    -----END PUBLIC KEY-----
    """

  /// P-256.
  static let ellipticCurve = """
    -----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECaDgjABy/N67LGZYWd7sODkUCH8x
    mVkdeY4fGlkNGP/wq8Rt0G+VcLCY/WuI9mcx+zR1atZ+Vpcu8yjw1N6vFg==
    -----END PUBLIC KEY-----
    """
}

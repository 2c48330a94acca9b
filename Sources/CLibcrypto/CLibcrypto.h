#ifndef TDXFS_CLIBCRYPTO_H
#define TDXFS_CLIBCRYPTO_H

/* OpenSSL's libcrypto, by its functions that are not deprecated. */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* EVP_PKEY_PUBLIC_KEY is a combination that Swift does not import. */
static const int clibcrypto_public_key = EVP_PKEY_PUBLIC_KEY;

/* Names of which libcrypto keeps the address: Swift's strings would only live as long as the call. */
static const char *const clibcrypto_modulus = OSSL_PKEY_PARAM_RSA_N;
static const char *const clibcrypto_exponent = OSSL_PKEY_PARAM_RSA_E;

/* OPENSSL_free is a macro that names its caller. */
static inline void clibcrypto_free(void *memory) { OPENSSL_free(memory); }

#endif

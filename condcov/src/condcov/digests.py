"""The digests of source and code.

hashlib loads the libraries of OpenSSL, which takes longer than a short program. These are what it has without them.
"""

import sys

try:
    from _blake2 import blake2b
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:         # CPython can be built without them
    from hashlib import blake2b, sha256

__all__ = ['blake2b', 'sha256']

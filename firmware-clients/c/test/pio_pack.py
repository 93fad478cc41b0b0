"""Packs the library with PlatformIO's own code, and reads both of its manifests.

    pio_pack.py LIBRARY ARCHIVE

PlatformIO asks the internet for the list of all licenses; here it gets the one that this
project has, so that a test needs no network.
"""

import sys

from platformio.package.manifest.parser import ManifestParserFactory
from platformio.package.manifest.schema import ManifestSchema
from platformio.package.pack import PackagePacker

ManifestSchema.load_spdx_licenses = staticmethod(lambda: {"licenses": [{"licenseId": "Apache-2.0"}]})

library, archive = sys.argv[1:]
versions = set()
for name in ("library.json", "library.properties"):
    manifest = ManifestSchema().load_manifest(ManifestParserFactory.new_from_file(f"{library}/{name}").as_dict())
    versions.add((manifest["name"], manifest["version"], manifest["license"]))
if len(versions) != 1:
    sys.exit(f"the manifests differ: {versions}")
PackagePacker(library).pack(archive)

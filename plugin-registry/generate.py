"""Makes the registry: pages to browse and an index for pip, in one folder that any web server can serve.

python plugin-registry/generate.py [--output build/registry]    check everything and write the folder
python plugin-registry/generate.py --check                      only say what is wrong with registry.toml
"""

import sys

from hub_registry.command import main

if __name__ == "__main__":
    sys.exit(main())

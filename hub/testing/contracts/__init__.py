"""What every driver of a service must do, as test classes: inherit one, give it the fixture it asks for.

storage    StorageContract    `driver`: "module:Class", which other processes open too; `settings`
blobs      BlobsContract      `open_blobs`: opens the same store anew at each call
directory  DirectoryContract  `directory`: an empty one
"""

"""Who a message is really from: SPF, DKIM, DMARC and ARC, as algorithms over a message and DNS."""

"""The operating system: files written whole, locks, and children that inherit nothing by chance."""

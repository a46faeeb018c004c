"""Is Python what keeps the devices waiting, by how much, and what removes it?"""

__version__ = "0.1.0"

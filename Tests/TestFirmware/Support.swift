import Kernfs

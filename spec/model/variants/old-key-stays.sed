# The end of an identity key is not looked at.
/(\* V4\.6 end \*)/d
